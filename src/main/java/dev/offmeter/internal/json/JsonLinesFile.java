// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Writes files with one JSON object a line. Whoever appends holds a lock on the file: its end is
 * looked for before it is written to.
 */
public final class JsonLinesFile {
  private static final Set<OpenOption> OPTIONS =
      Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);

  private JsonLinesFile() {}

  /** Returns whether the file can be read and written, or created. */
  public static boolean isWritable(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    return Files.exists(file)
        ? !Files.isDirectory(file) && Files.isReadable(file) && Files.isWritable(file)
        : folder != null && Files.isDirectory(folder) && Files.isWritable(folder);
  }

  /** Opens the file, and creates it for its owner only if it is not there. */
  public static FileChannel open(Path file) throws IOException {
    return FileChannel.open(file, OPTIONS, ownerOnly(file));
  }

  private static FileAttribute<?>[] ownerOnly(Path file) {
    boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
    return posix
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
        }
        : new FileAttribute<?>[0];
  }

  /**
   * Appends lines, all or none. If the last line was cut when a process ended, it is ended first,
   * so that it does not spoil the next one.
   */
  public static void append(FileChannel file, String lines) throws IOException {
    long size = file.size();
    boolean cut = size > 0 && read(file, size - 1, size)[0] != '\n';
    write(file, ((cut ? "\n" : "") + lines).getBytes(StandardCharsets.UTF_8), size);
  }

  /**
   * Writes all of the bytes, or cuts the file off where they would begin: the disk is full, say.
   */
  public static void write(FileChannel file, byte[] bytes, long at) throws IOException {
    ByteBuffer rest = ByteBuffer.wrap(bytes);
    try {
      while (rest.hasRemaining()) {
        int unused = file.write(rest, at + rest.position());
      }
    } catch (IOException e) {
      cutOff(file, at, e);
      throw e;
    }
  }

  private static void cutOff(FileChannel file, long at, IOException failure) {
    try {
      FileChannel unused = file.truncate(at);
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }

  /** Reads the bytes between two places. */
  public static byte[] read(FileChannel file, long from, long to) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate((int) (to - from));
    while (bytes.hasRemaining()) {
      if (file.read(bytes, from + bytes.position()) < 0) {
        throw new IOException("the file has become shorter");
      }
    }
    return bytes.array();
  }
}
