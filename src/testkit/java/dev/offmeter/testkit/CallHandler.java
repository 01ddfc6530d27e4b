// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** Replies to calls as the script says, and to everything else as a server that is well. */
final class CallHandler {
  private static final String JSON = "application/json";
  private static final String PAGE =
      "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Sign in to use this"
          + " network.</form></body></html>";

  private final List<Api> apis;
  private final Script script;
  private final String defaultModel;
  private final Arrivals<FakeRequest> calls = new Arrivals<>("the server");
  private final Arrivals<FakeRequest> probes = new Arrivals<>("the server");
  private final ModelMemory memory = new ModelMemory();
  private final Slots slots = new Slots();

  /** The steps of calls in progress, which health checks agree with. */
  private final List<Step> inProgress = new CopyOnWriteArrayList<>();

  private final Setup atFirst;
  private Runnable onRefusal = () -> {};

  CallHandler(List<Api> apis, Step first, String defaultModel) {
    this.apis = apis;
    this.script = new Script(first);
    this.defaultModel = defaultModel;
    memory.add(defaultModel);
    this.atFirst = setup();
  }

  /** Holds what a test has set up, for its end to go back to what was at its beginning. */
  record Setup(Script script, ModelMemory.Setup memory, boolean oneSlot) {}

  /** Sets what closes the port when a call has left only a refusal. */
  void onRefusal(Runnable close) {
    onRefusal = close;
  }

  Script script() {
    return script;
  }

  Arrivals<FakeRequest> calls() {
    return calls;
  }

  Arrivals<FakeRequest> probes() {
    return probes;
  }

  Slots slots() {
    return slots;
  }

  boolean isRefusing() {
    return script.upcoming().outcome() == Step.Outcome.REFUSAL;
  }

  void loadsFor(Duration load) {
    Api api = apis.get(0);
    if (api instanceof GeminiApi || api instanceof AnthropicApi) {
      throw new IllegalStateException("loadsFor must be for ollama() or openAi()");
    }
    memory.loadsFor(load);
  }

  int loadsBegun() {
    return memory.loadsBegun();
  }

  void addModel(String name) {
    memory.add(name);
  }

  void time(LongSupplier nanos) {
    memory.time(nanos);
  }

  Setup setup() {
    return new Setup(script.copy(), memory.setup(), slots.isOne());
  }

  void reset() {
    goBackTo(atFirst);
  }

  void goBackTo(Setup setup) {
    script.goBackTo(setup.script());
    memory.goBackTo(setup.memory());
    slots.one(setup.oneSlot());
    calls.clear();
    probes.clear();
  }

  void handle(HttpConnection connection, HttpConnection.Request request) throws IOException {
    for (Api api : apis) {
      if (api.isCall(request.method(), request.path())) {
        call(connection, request, api);
        return;
      }
    }
    FakeRequest probe = new FakeRequest(connection, request, apis.get(0));
    probes.add(probe);
    memory.add(probe.model());
    probe(connection, request);
  }

  private void call(HttpConnection connection, HttpConnection.Request request, Api api)
      throws IOException {
    FakeRequest call = new FakeRequest(connection, request, api);
    memory.add(call.model());
    // Before a test hears of the call: the clock that it then moves is that of the load.
    boolean unused = memory.isReadyFor(call);
    slots.enqueue(call);
    calls.add(call);
    try {
      if (isLoaded(connection, call) && connection.waitUntil(() -> slots.isIn(call))) {
        play(connection, request, call, api);
      } else {
        connection.close();
      }
    } finally {
      slots.leave(call);
    }
  }

  /** Waits for the model; returns false if the client has given up meanwhile. */
  private boolean isLoaded(HttpConnection connection, FakeRequest request) throws IOException {
    try {
      return connection.waitUntil(() -> memory.isReadyFor(request));
    } finally {
      memory.giveUp(request);
    }
  }

  private void play(
      HttpConnection connection, HttpConnection.Request request, FakeRequest call, Api api)
      throws IOException {
    Step step = script.next();
    inProgress.add(step);
    try {
      if (isRefusing()) {
        onRefusal.run();
      }
      if (step.outcome() == Step.Outcome.ANSWER) {
        answer(connection, step, call, api);
      } else {
        fail(connection, request, step, api);
      }
    } finally {
      inProgress.remove(step);
    }
  }

  private void answer(HttpConnection connection, Step step, FakeRequest call, Api api)
      throws IOException {
    String model = call.model().isEmpty() ? defaultModel : call.model();
    if (step.ending() == Step.Ending.CUT && step.after() == 0) {
      connection.reset();
    } else if (step.ending() == Step.Ending.STALL && step.after() == 0) {
      connection.hang();
    } else if (call.isStreaming()) {
      stream(connection, step, api, api.streamed(model, step.pieces()));
    } else {
      answerAtOnce(connection, step, api, api.whole(model, step.pieces()));
    }
  }

  private static void stream(HttpConnection connection, Step step, Api api, Api.Streamed reply)
      throws IOException {
    boolean whole = step.ending() == Step.Ending.WHOLE;
    connection.send(
        "HTTP/1.1 200 OK\r\nContent-Type: "
            + api.streamType()
            + "\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (String piece : whole ? reply.pieces() : reply.pieces().subList(0, step.after())) {
      connection.sendChunk(piece);
    }
    switch (step.ending()) {
      case STALL -> connection.hang();
      case CUT -> connection.close();
      case ERROR -> {
        connection.sendChunk(api.errorInStream("the model runner has failed"));
        connection.send("0\r\n\r\n");
      }
      case WHOLE -> {
        connection.sendChunk(reply.end());
        connection.send("0\r\n\r\n");
      }
    }
  }

  private static void answerAtOnce(HttpConnection connection, Step step, Api api, String body)
      throws IOException {
    switch (step.ending()) {
      case STALL -> connection.hang();
      case ERROR ->
          connection.respond(500, JSON, api.error(500, "the model runner has failed", null));
      case WHOLE -> connection.respond(200, JSON, body);
      case CUT -> {
        // A body has no pieces: half of it is sent, however many the script names.
        connection.send(
            HttpConnection.head(200, JSON, body) + body.substring(0, body.length() / 2));
        connection.close();
      }
    }
  }

  private static void fail(
      HttpConnection connection, HttpConnection.Request request, Step step, Api api)
      throws IOException {
    switch (step.outcome()) {
      case SILENCE -> connection.hang();
      case REFUSAL -> connection.reset();
      case PAGE -> connection.respond(200, "text/html; charset=utf-8", PAGE);
      case NO_TUNNEL -> TunnelPage.send(connection, request);
      default -> error(connection, request, step, api);
    }
  }

  private static void error(
      HttpConnection connection, HttpConnection.Request request, Step step, Api api)
      throws IOException {
    Step.Failure failure = Objects.requireNonNull(step.failure());
    Duration wait = failure.retryAfter();
    String name = api.retryAfterHeader();
    String[] headers =
        wait == null || name == null
            ? new String[0]
            : new String[] {name + ": " + Math.max(1, wait.toSeconds())};
    String given = failure.body();
    String model = api.model(request.path(), JsonText.tree(request.body()));
    String body =
        given == null
            ? api.error(failure.status(), words(failure.status(), model, api), wait)
            : given;
    boolean json = body.startsWith("{") || body.startsWith("[");
    connection.respond(failure.status(), json ? JSON : "text/plain", body, headers);
  }

  private static String words(int status, String model, Api api) {
    return switch (status) {
      case 400 -> "invalid request";
      case 401 -> "unauthorized";
      case 402 -> "payment required";
      case 403 -> "permission denied";
      case 404 -> api.noSuchModel(model);
      case 429 -> "too many requests";
      case 503, 529 -> "server busy, please try again";
      default -> status < 500 ? "request rejected" : "internal server error";
    };
  }

  private void probe(HttpConnection connection, HttpConnection.Request request) throws IOException {
    Step step = stepForProbes();
    if (step.healthy()) {
      inform(connection, request);
    } else if (step.outcome() == Step.Outcome.ANSWER || step.outcome() == Step.Outcome.ERROR) {
      connection.respond(503, "text/plain", "unavailable");
    } else {
      fail(connection, request, step, apis.get(0));
    }
  }

  private Step stepForProbes() {
    return inProgress.stream()
        .filter(step -> !step.healthy())
        .findFirst()
        .orElseGet(script::upcoming);
  }

  private void inform(HttpConnection connection, HttpConnection.Request request)
      throws IOException {
    boolean ollama = apis.get(0) instanceof OllamaApi;
    if (ollama && request.path().equals("/")) {
      connection.respond(200, "text/plain", "Ollama is running");
    } else if (ollama && isLoad(request)) {
      load(connection, request);
    } else {
      String reply = info(request);
      connection.respond(
          reply == null ? 404 : 200,
          reply == null ? "text/plain" : JSON,
          Objects.requireNonNullElse(reply, "404 page not found"));
    }
  }

  private static boolean isLoad(HttpConnection.Request request) {
    return request.path().endsWith("/api/generate")
        && JsonText.tree(request.body()).path("prompt").asText("").isEmpty();
  }

  private @Nullable String info(HttpConnection.Request request) {
    for (Api api : apis) {
      String reply = api.info(request.method(), request.path(), memory.known(), memory.loaded());
      if (reply != null) {
        return reply;
      }
    }
    return null;
  }

  /** Loads or unloads a model, which Ollama does for a request without a prompt. */
  private void load(HttpConnection connection, HttpConnection.Request request) throws IOException {
    JsonNode keepAlive = JsonText.tree(request.body()).path("keep_alive");
    boolean unload = keepAlive.isNumber() && keepAlive.asInt() == 0;
    if (unload) {
      memory.unload();
    } else if (!isLoaded(connection, new FakeRequest(connection, request, apis.get(0)))) {
      connection.close();
      return;
    }
    connection.respond(
        200,
        JSON,
        JsonText.of(
            JsonText.object(
                "model",
                JsonText.tree(request.body()).path("model").asText(""),
                "response",
                "",
                "done",
                true,
                "done_reason",
                unload ? "unload" : "load")));
  }
}
