// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;

/** The folder for the drafts, one file each. */
final class DraftFolder {
  private final Path folder;
  private final Clock clock;

  DraftFolder(Path folder, Clock clock) throws IOException {
    this.folder = Files.createDirectories(folder);
    this.clock = clock;
  }

  void write(Draft draft) throws IOException {
    String name = draft.invoice().fileName();
    Path complete = folder.resolve(name + ".eml");
    Path incomplete = folder.resolve(name + ".INCOMPLETE.eml");
    // Of an earlier run, neither may stay: the draft of this one would have a rival.
    Files.deleteIfExists(draft.isIncomplete() ? complete : incomplete);
    Files.write(draft.isIncomplete() ? incomplete : complete, Eml.of(draft, clock.instant()));
  }

  @Override
  public String toString() {
    return folder.toString();
  }
}
