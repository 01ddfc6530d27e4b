// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The arguments of the command line. */
record Arguments(
    Optional<String> csv,
    String folder,
    boolean stream,
    boolean watch,
    boolean check,
    Optional<String> report) {
  private static final String USAGE =
      "; usage: [--stream | --watch] [--report report.html] [invoices.csv [folder]], or --check";

  static Arguments of(List<String> args) throws CannotRun {
    List<String> paths = new ArrayList<>(args);
    boolean stream = paths.removeIf("--stream"::equals);
    boolean watch = paths.removeIf("--watch"::equals);
    Optional<String> report = report(paths);
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
        check,
        report);
  }

  /** Takes out the option and the file that it names. */
  private static Optional<String> report(List<String> args) throws CannotRun {
    int option = args.indexOf("--report");
    if (option < 0) {
      return Optional.empty();
    }
    if (option + 1 == args.size()) {
      throw new CannotRun("--report must be followed by a file" + USAGE);
    }
    args.remove(option);
    return Optional.of(args.remove(option));
  }
}
