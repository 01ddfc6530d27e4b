// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.awaitility.Awaitility.await;

import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A process of llama.cpp's {@code llama-server} on a free loopback port. */
final class LlamaServer implements AutoCloseable {
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private final int port = Processes.freePort();
  private final Path log;
  private final List<String> command;
  private Process process;

  private LlamaServer(Path folder, Path model, String... options) {
    log = folder.resolve("llama-server-" + port + ".log");
    command = new ArrayList<>(List.of(Program.LLAMA_SERVER.required().toString()));
    command.addAll(List.of("--host", "127.0.0.1", "--port", String.valueOf(port)));
    command.addAll(List.of("-m", model.toString(), "--threads", "1", "--parallel", "2"));
    // The plain sampler: each token with the share that the model gives it.
    command.addAll(List.of("--temp", "1", "--top-k", "0", "--top-p", "1", "--min-p", "0"));
    command.addAll(List.of(options));
    process = Processes.start(command, log);
  }

  /** Starts a server that does not yet listen, or has still to load its model. */
  static LlamaServer starting(Path folder, TinyModel model, String... options) {
    try {
      Path file = folder.resolve("model-%d-%d.gguf".formatted(model.width(), model.layers()));
      return new LlamaServer(folder, model.write(file), options);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Starts a server, and waits until it is ready to answer. */
  static LlamaServer ready(Path folder, TinyModel model, String... options) {
    LlamaServer server = starting(folder, model, options);
    await("a llama-server that is ready; its log is " + server.log)
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(50))
        .until(server::isReady);
    return server;
  }

  /** Returns this server; fails with its last output if its process has ended. */
  LlamaServer requireRunning() {
    if (!process.isAlive()) {
      throw new AssertionError("llama-server ended:\n" + Processes.tail(log));
    }
    return this;
  }

  private boolean isReady() {
    requireRunning();
    try {
      return get("/health").statusCode() == 200;
    } catch (IOException e) {
      return false;
    }
  }

  private HttpResponse<String> get(String path) throws IOException {
    try {
      HttpRequest request = HttpRequest.newBuilder(URI.create(url() + path)).build();
      return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Returns the server's base URL. */
  String url() {
    return "http://127.0.0.1:" + port;
  }

  /** An endpoint for it, with all of the time that a busy machine may need. */
  Endpoint.Builder endpoint(String name) {
    return at(name, url());
  }

  /** An endpoint for a llama-server at {@code url}. */
  static Endpoint.Builder at(String name, String url) {
    return Endpoint.openAi(name, url)
        .model("tiny")
        .dialect(Dialect.LLAMA_SERVER)
        .timeout(Duration.ofSeconds(60));
  }

  /** Returns whether the server says that one of its slots works on an answer. */
  boolean isBusy() {
    try {
      return get("/slots").body().contains("\"is_processing\":true");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void awaitBusy() {
    await("a slot that works").atMost(Duration.ofSeconds(10)).until(this::isBusy);
  }

  /** Waits until it has noticed that nobody wants its answer. */
  void awaitIdle() {
    await("idle slots").atMost(Duration.ofSeconds(8)).until(() -> !isBusy());
  }

  /** Starts it anew where it was; it is then still to load its model. */
  void startAgain() {
    process = Processes.start(command, log);
  }

  /** Stops it where it is: it says nothing, and its connections stay. */
  void freeze() {
    Processes.signal(process, "STOP");
  }

  /** Lets it go on. */
  void thaw() {
    Processes.signal(process, "CONT");
  }

  /** Ends it as {@code kill -9} does. */
  void kill() {
    Processes.kill(process);
  }

  /** Asks it to end, as a service manager does, and returns at once. */
  void terminate() {
    process.destroy();
  }

  @Override
  public void close() {
    kill();
  }
}
