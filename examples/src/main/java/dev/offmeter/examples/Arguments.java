// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The arguments of the command line. */
record Arguments(
    Optional<String> csv, String folder, boolean stream, boolean watch, boolean check) {
  private static final String USAGE =
      "; usage: [--stream | --watch] [invoices.csv [folder]], or --check";

  static Arguments of(List<String> args) throws CannotRun {
    List<String> paths = new ArrayList<>(args);
    boolean stream = paths.removeIf("--stream"::equals);
    boolean watch = paths.removeIf("--watch"::equals);
    boolean check = paths.removeIf("--check"::equals);
    if (check && args.size() > 1) {
      throw new CannotRun("--check drafts nothing, so it stands alone" + USAGE);
    }
    if (stream && watch) {
      throw new CannotRun(
          "--stream and --watch both need the end of the screen: choose one" + USAGE);
    }
    for (String path : paths) {
      if (path.startsWith("-")) {
        throw new CannotRun("unknown option " + path + USAGE);
      }
    }
    if (paths.size() > 2) {
      throw new CannotRun("one argument too many: " + paths.get(2) + USAGE);
    }
    return new Arguments(
        paths.stream().findFirst(),
        paths.size() > 1 ? paths.get(1) : "follow-ups",
        stream,
        watch,
        check);
  }
}
