// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A server program that the tests start themselves. */
enum Program {
  LLAMA_SERVER("llama-server", ".ci/llama-server", List.of(".servers")),
  NGINX("nginx", ".ci/nginx", List.of("/usr/sbin", ".servers/nginx/usr/sbin")),
  REDIS_SERVER("redis-server", ".ci/redis", List.of(".servers")),
  POSTGRES(
      "postgres",
      ".ci/postgres",
      List.of(".servers/postgresql", "/var/tmp/offmeter-servers/postgresql"));

  private final String command;
  private final String installation;
  private final List<String> folders;

  Program(String command, String installation, List<String> folders) {
    this.command = command;
    this.installation = installation;
    this.folders = folders;
  }

  /**
   * Returns the path of the program: from its variable, or in its folder, or on the search path.
   */
  Optional<Path> find() {
    String named = System.getenv(variable());
    if (named != null) {
      return Optional.of(Path.of(named)).filter(Files::isExecutable);
    }
    Stream<String> path = Stream.of(System.getenv("PATH").split(":"));
    return Stream.concat(folders.stream(), path)
        .map(folder -> Path.of(folder, command).toAbsolutePath())
        .filter(Files::isExecutable)
        .findFirst();
  }

  /** Returns the path of the program, or fails with a message that says how to get it. */
  Path required() {
    return find().orElseThrow(() -> new AssertionError(missing()));
  }

  /** The sentence for a test that cannot be run without it. */
  String missing() {
    return "no " + command + ": run " + installation + ", or name one in " + variable();
  }

  private String variable() {
    return "OFFMETER_" + name();
  }
}
