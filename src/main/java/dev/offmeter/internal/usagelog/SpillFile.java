// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.usagelog;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.json.JsonLinesFile;
import dev.offmeter.meter.UsageRecord;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A file of one client for rows that wait for the log, a JSON object a line. Rows are taken from
 * its end, and the file is cut there once the log has them: so a process that ends meanwhile
 * repeats at most those that it was handing over. Safe for use by several threads.
 */
final class SpillFile {
  /** Some 100,000 rows: half an hour at 50 attempts a second. */
  static final long MOST_BYTES = 64L << 20;

  /** Some 500 rows; a single row may be longer. */
  private static final int PIECE = 256 << 10;

  private final Path file;
  private final long mostBytes;
  private final ReentrantLock lock = new ReentrantLock();

  // All below: guarded by the lock.

  /** Null until the file is needed; then held, with a lock on the file, until the end. */
  private @Nullable FileChannel channel;

  /** From where to where the rows stand that were taken and not yet removed. */
  private long takenFrom;

  private long takenTo;

  /**
   * Rows that were taken from the file.
   *
   * @param unreadable how many lines were not rows, and are dropped with them
   */
  record Taken(List<UsageRecord> rows, int unreadable) {
    boolean isEmpty() {
      return rows.isEmpty() && unreadable == 0;
    }
  }

  SpillFile(Path file, long mostBytes) {
    this.file = file;
    this.mostBytes = mostBytes;
  }

  /**
   * Appends rows, as far as there is room.
   *
   * @return how many were appended
   */
  int append(List<UsageRecord> rows) throws IOException {
    lock.lock();
    try {
      FileChannel open = open();
      StringBuilder lines = new StringBuilder();
      int count = 0;
      long bytes = open.size();
      for (UsageRecord row : rows) {
        String line = row.toJson() + "\n";
        bytes += line.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > mostBytes) {
          break;
        }
        lines.append(line);
        count++;
      }
      JsonLinesFile.append(open, lines.toString());
      return count;
    } finally {
      lock.unlock();
    }
  }

  /** Returns the last rows of the file, at most {@code most}; they stay in it. */
  Taken last(int most) throws IOException {
    lock.lock();
    try {
      if (channel == null && Files.notExists(file)) {
        return new Taken(List.of(), 0);
      }
      FileChannel open = open();
      takenTo = open.size();
      takenFrom = takenTo;
      byte[] end = new byte[0];
      int from = 0;
      for (long length = PIECE; from == end.length && takenFrom > 0; length *= 2) {
        takenFrom = Math.max(0, takenTo - length);
        end = JsonLinesFile.read(open, takenFrom, takenTo);
        from = takenFrom == 0 ? 0 : indexAfterNewline(end, 0);
      }
      return rows(end, from, most);
    } finally {
      lock.unlock();
    }
  }

  private Taken rows(byte[] end, int from, int most) {
    List<Integer> starts = new ArrayList<>();
    for (int at = from; at < end.length; at = indexAfterNewline(end, at)) {
      starts.add(at);
    }
    int first = Math.max(0, starts.size() - most);
    takenFrom = starts.isEmpty() ? takenTo : takenFrom + starts.get(first);
    List<UsageRecord> rows = new ArrayList<>();
    for (int i = first; i < starts.size(); i++) {
      int start = starts.get(i);
      int stop = i + 1 < starts.size() ? starts.get(i + 1) : end.length;
      UsageRecord row = row(new String(end, start, stop - start, StandardCharsets.UTF_8));
      if (row != null) {
        rows.add(row);
      }
    }
    return new Taken(List.copyOf(rows), starts.size() - first - rows.size());
  }

  /** Returns the row of a line; null if it is none, such as one that was cut. */
  private static @Nullable UsageRecord row(String line) {
    try {
      return UserCode.call(() -> UsageRecord.fromJson(line));
    } catch (UserCode.UserCodeException e) {
      return null;
    }
  }

  private static int indexAfterNewline(byte[] bytes, int from) {
    int at = from;
    while (at < bytes.length && bytes[at] != '\n') {
      at++;
    }
    return Math.min(at + 1, bytes.length);
  }

  /** Removes the rows that {@link #last} has returned; those that came since then stay. */
  void removeLast() throws IOException {
    lock.lock();
    try {
      FileChannel open = open();
      byte[] since = JsonLinesFile.read(open, takenTo, open.size());
      JsonLinesFile.write(open, since, takenFrom);
      FileChannel unused = open.truncate(takenFrom + since.length);
      takenTo = takenFrom;
    } finally {
      lock.unlock();
    }
  }

  /** Releases the file. It is opened anew if it is needed again. */
  void close() throws IOException {
    lock.lock();
    try {
      if (channel != null) {
        channel.close();
        channel = null;
      }
    } finally {
      lock.unlock();
    }
  }

  private FileChannel open() throws IOException {
    if (channel == null) {
      FileChannel opened = JsonLinesFile.open(file);
      try {
        lock(opened);
      } catch (IOException e) {
        opened.close();
        throw e;
      }
      channel = opened;
    }
    return channel;
  }

  private void lock(FileChannel opened) throws IOException {
    try {
      if (opened.tryLock() == null) {
        throw new IOException("another process uses " + file);
      }
    } catch (OverlappingFileLockException e) {
      throw new IOException("another client uses " + file, e);
    }
  }
}
