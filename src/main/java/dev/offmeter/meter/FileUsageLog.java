// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import dev.offmeter.internal.json.JsonLinesFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** Appends rows to a file, a JSON object a line. Safe for use by many threads. */
final class FileUsageLog implements UsageLog {
  /**
   * A lock for each file, because that of the operating system is held by the whole process and
   * cannot be waited for by a second thread of it.
   */
  private static final Map<Path, ReentrantLock> LOCKS = new ConcurrentHashMap<>();

  private final Path file;

  FileUsageLog(Path file) {
    this.file = Objects.requireNonNull(file, "file").toAbsolutePath().normalize();
    if (!JsonLinesFile.isWritable(this.file)) {
      throw new IllegalArgumentException(
          "usageLog must be a file that can be written, was " + file);
    }
  }

  @Override
  public void write(List<UsageRecord> batch) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (UsageRecord row : batch) {
      lines.append(row.toJson()).append('\n');
    }
    ReentrantLock own = LOCKS.computeIfAbsent(file, each -> new ReentrantLock());
    own.lock();
    try {
      append(lines.toString());
    } finally {
      own.unlock();
    }
  }

  private void append(String lines) throws IOException {
    // Closing the channel releases the lock.
    try (FileChannel channel = JsonLinesFile.open(file)) {
      FileLock unused = channel.lock();
      JsonLinesFile.append(channel, lines);
    }
  }

  @Override
  public boolean writesTo(Path other) {
    try {
      return file.equals(other.toAbsolutePath().normalize()) || Files.isSameFile(file, other);
    } catch (IOException e) {
      // One of the two is not there yet.
      return false;
    }
  }

  /** Returns the file. */
  @Override
  public String toString() {
    return "UsageLog[" + file + "]";
  }
}
