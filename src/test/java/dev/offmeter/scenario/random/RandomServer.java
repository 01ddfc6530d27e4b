// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A server of one protocol that ends its answers in every way there is. What it does with a request
 * follows from the seed, the caller and how often that caller has come, not from who else does.
 */
final class RandomServer implements AutoCloseable {
  private static final Node.Script BROKEN = OllamaReplies.status(500, "text/plain", "broken");
  private static final Node.Script BUSY =
      OllamaReplies.status(
          503, "application/json", "{\"error\":\"server busy, please try again\"}");
  private static final Node.Script BUSY_FOR_A_WHILE =
      OllamaReplies.status(503, "application/json", "{\"error\":\"overloaded\"}", "Retry-After: 2");
  private static final Node.Script LIMITED =
      OllamaReplies.status(429, "application/json", "{\"error\":\"slow down\"}", "Retry-After: 1");
  private static final Node.Script BAD_REQUEST =
      OllamaReplies.status(400, "application/json", "{\"error\":\"not like this\"}");
  private static final Node.Script LOGIN_PAGE =
      OllamaReplies.status(200, "text/html", "<html><title>Sign in</title></html>");
  private static final Node.Script STATUS_REPORT =
      OllamaReplies.status(200, "application/json", "{\"status\":\"ok\"}");

  private final String name;
  private final ProtocolReplies spoken;
  private final long seed;
  private final RunReport report;
  private final Node node;
  private final Node.Script checks;
  private final AtomicInteger serials = new AtomicInteger();
  private final Map<String, AtomicInteger> visits = new ConcurrentHashMap<>();
  private final Random checksRandom;
  private volatile double setFaults;
  private volatile boolean refusing;

  RandomServer(String name, ProtocolReplies spoken, long seed, RunReport report) {
    this.name = name;
    this.spoken = spoken;
    this.seed = seed;
    this.report = report;
    this.checksRandom = Seeds.of(seed, name, "checks");
    this.checks = OllamaReplies.probes(OllamaReplies.loadCompleted(), model() + ":latest");
    this.node = new Node(this::answer).respondToProbesWith(this::check).discardRequests();
  }

  String name() {
    return name;
  }

  Node node() {
    return node;
  }

  String model() {
    return name.toLowerCase(Locale.ROOT) + "-model";
  }

  /** Sets the share of answers that have any ending; the others are whole. */
  void setFaults(double share) {
    setFaults = share;
  }

  /** Refuses every request, for a reason that says nothing against its health. */
  void setRefusing(boolean setRefusing) {
    refusing = setRefusing;
  }

  @Override
  public void close() {
    node.close();
  }

  private void check(Connection connection, Connection.Request request) throws IOException {
    boolean fails = checksRandom.nextDouble() < setFaults / 2;
    switch (fails ? checksRandom.nextInt(4) : -1) {
      case 0 -> connection.reset();
      case 1 -> connection.hang();
      case 2 -> BROKEN.answer(connection, request);
      case 3 -> OllamaReplies.probes(OllamaReplies.loadCompleted()).answer(connection, request);
      default -> checks.answer(connection, request);
    }
  }

  private void answer(Connection connection, Connection.Request request) throws IOException {
    String caller = between(request.body(), "caller=", ";");
    int visit = visits.computeIfAbsent(caller, c -> new AtomicInteger()).incrementAndGet();
    Random random = Seeds.of(seed, name, caller, visit);
    if (refusing) {
      BAD_REQUEST.answer(connection, request);
      return;
    }
    ServerBehaviour streamEnd =
        random.nextDouble() < setFaults ? ServerBehaviour.any(random) : ServerBehaviour.WHOLE;
    report.count("reply " + streamEnd);
    SignedText signed =
        new SignedText(caller, name, serials.incrementAndGet(), 1 + random.nextInt(20));
    reply(connection, request, streamEnd, signed, random);
  }

  private void reply(
      Connection connection,
      Connection.Request request,
      ServerBehaviour streamEnd,
      SignedText signed,
      Random random)
      throws IOException {
    switch (streamEnd) {
      case RESET -> connection.reset();
      case CLOSED -> connection.close();
      case RESET_LATER -> {
        rest(random.nextInt(300));
        connection.reset();
      }
      case SILENT -> connection.hang();
      case BROKEN -> BROKEN.answer(connection, request);
      case BUSY -> BUSY.answer(connection, request);
      case BUSY_FOR_A_WHILE -> BUSY_FOR_A_WHILE.answer(connection, request);
      case LIMITED -> LIMITED.answer(connection, request);
      case BAD_REQUEST -> BAD_REQUEST.answer(connection, request);
      case LOGIN_PAGE -> LOGIN_PAGE.answer(connection, request);
      case STATUS_REPORT -> STATUS_REPORT.answer(connection, request);
      case GARBAGE -> {
        connection.send("what is this\r\n\r\n");
        connection.close();
      }
      case TOO_SHORT -> {
        String first = spoken.textDelta(signed.pieces().get(0));
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + first);
        connection.close();
      }
      case AT_ONCE -> {
        if (isText(request)) {
          String whole = spoken.completeReply(signed.text());
          OllamaReplies.status(200, "application/json", whole).answer(connection, request);
        } else {
          stream(connection, streamEnd, frames(request, signed, random), random);
        }
      }
      default -> stream(connection, streamEnd, frames(request, signed, random), random);
    }
  }

  private static boolean isText(Connection.Request request) {
    return request.body().contains("wants=text");
  }

  /** The answer in the frames of its protocol, without its end. */
  private List<String> frames(Connection.Request request, SignedText signed, Random random) {
    List<String> frames = new ArrayList<>();
    if (request.body().contains("wants=tool")) {
      frames.add(spoken.toolCall("note", "{\"signed\":\"" + signed.text() + "\"}"));
    } else if (request.body().contains("wants=record")) {
      boolean fits = random.nextInt(8) > 0;
      frames.add(spoken.textDelta("{\\\"" + (fits ? "signed" : "unsigned") + "\\\":\\\""));
      signed.pieces().forEach(piece -> frames.add(spoken.textDelta(piece)));
      frames.add(spoken.textDelta("\\\"}"));
    } else {
      signed.pieces().forEach(piece -> frames.add(spoken.textDelta(piece)));
    }
    return frames;
  }

  private void stream(
      Connection connection, ServerBehaviour streamEnd, List<String> frames, Random random)
      throws IOException {
    if (random.nextInt(3) == 0) {
      rest(random.nextInt(30));
    }
    connection.send(
        spoken == ProtocolReplies.OLLAMA ? OllamaReplies.STREAM_HEAD : ServerReplies.EVENTS_HEAD);
    int middle = frames.size() / 2;
    for (int i = 0; i < frames.size(); i++) {
      if (i == middle && breaksOff(connection, streamEnd)) {
        return;
      }
      if (streamEnd == ServerBehaviour.SLOW) {
        rest(15);
      }
      connection.send(OllamaReplies.chunk(frames.get(i)));
    }
    if (streamEnd != ServerBehaviour.WITHOUT_ITS_END) {
      connection.send(OllamaReplies.chunk(spoken.end(false)));
    }
    rest(streamEnd == ServerBehaviour.LATE_END ? 60 : 0);
    connection.send(
        OllamaReplies.LAST_CHUNK
            + (streamEnd == ServerBehaviour.WITH_A_STRANGER_BEHIND ? stranger() : ""));
    after(connection, streamEnd);
  }

  /**
   * An answer that nobody has asked for. It comes with the end of another: if it came later, nobody
   * could tell whether it is meant for the next that asks.
   */
  private String stranger() {
    String body = spoken.completeReply(new SignedText("stranger", name, 0, 3).text());
    int length = body.getBytes(StandardCharsets.UTF_8).length;
    return "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n" + body;
  }

  private boolean breaksOff(Connection connection, ServerBehaviour streamEnd) throws IOException {
    switch (streamEnd) {
      case RESET_IN_THE_MIDDLE -> connection.reset();
      case STALLED -> connection.hang();
      case ERROR_INSIDE ->
          connection.send(
              OllamaReplies.chunk(spoken.error("the engine died")) + OllamaReplies.LAST_CHUNK);
      case BAD_CHUNK -> {
        connection.send("zz\r\n");
        connection.close();
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  private void after(Connection connection, ServerBehaviour streamEnd) throws IOException {
    switch (streamEnd) {
      case THEN_CLOSED -> connection.close();
      case THEN_FORGOTTEN -> connection.hang();
      default -> {
        // The connection is kept.
      }
    }
  }

  private static void rest(int millis) {
    LockSupport.parkNanos(Duration.ofMillis(millis).toNanos());
  }

  static String between(String text, String before, String after) {
    int from = text.indexOf(before) + before.length();
    return text.substring(from, text.indexOf(after, from));
  }
}
