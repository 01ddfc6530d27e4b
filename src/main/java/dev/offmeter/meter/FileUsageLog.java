// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** Appends rows to a file, a JSON object a line. Safe for use by many threads. */
final class FileUsageLog implements UsageLog {
  private static final Set<OpenOption> APPEND =
      Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);

  /**
   * A lock for each file, because that of the operating system is held by the whole process and
   * cannot be waited for by a second thread of it.
   */
  private static final Map<Path, ReentrantLock> LOCKS = new ConcurrentHashMap<>();

  private final Path file;

  FileUsageLog(Path file) {
    this.file = Objects.requireNonNull(file, "file").toAbsolutePath().normalize();
    Path folder = this.file.getParent();
    boolean writable =
        Files.exists(this.file)
            ? !Files.isDirectory(this.file) && Files.isWritable(this.file)
            : folder != null && Files.isDirectory(folder) && Files.isWritable(folder);
    if (!writable) {
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
      append(ByteBuffer.wrap(lines.toString().getBytes(StandardCharsets.UTF_8)));
    } finally {
      own.unlock();
    }
  }

  private void append(ByteBuffer bytes) throws IOException {
    // Closing the channel releases the lock.
    try (FileChannel channel = FileChannel.open(file, APPEND, ownerOnly())) {
      FileLock unused = channel.lock();
      long before = channel.size();
      try {
        while (bytes.hasRemaining()) {
          int unusedCount = channel.write(bytes);
        }
      } catch (IOException e) {
        cutOff(channel, before, e);
        throw e;
      }
    }
  }

  /** Removes what was written of a batch that will be written again: the disk was full, say. */
  private static void cutOff(FileChannel channel, long before, IOException failure) {
    try {
      FileChannel unused = channel.truncate(before);
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }

  private FileAttribute<?>[] ownerOnly() {
    boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
    return posix
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
        }
        : new FileAttribute<?>[0];
  }

  /** Returns the file. */
  @Override
  public String toString() {
    return "UsageLog[" + file + "]";
  }
}
