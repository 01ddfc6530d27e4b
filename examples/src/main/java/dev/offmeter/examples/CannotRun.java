// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Something that the user has to mend first; the message is all that they need to see. */
final class CannotRun extends Exception {
  private static final long serialVersionUID = 1L;

  CannotRun(String message) {
    super(message);
  }

  CannotRun(String what, IOException e) {
    super(what + ": " + reason(e));
  }

  /** Java's own message is often the path and nothing else. */
  private static String reason(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "no such file";
    }
    if (e instanceof CharacterCodingException) {
      return "it is not in UTF-8";
    }
    if (e instanceof FileAlreadyExistsException) {
      return "it is not a folder";
    }
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    boolean hasReason = e instanceof FileSystemException f && f.getReason() != null;
    return hasReason ? ((FileSystemException) e).getReason() : e.getMessage();
  }
}
