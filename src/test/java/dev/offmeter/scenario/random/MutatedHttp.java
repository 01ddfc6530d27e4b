// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Servers that speak HTTP wrongly: their status lines, headers, sizes and ends are changed, and
 * what they say is not. Each of several calls in a row over kept connections has its own text or
 * the fallback's, never another's, and in time.
 */
final class MutatedHttp {
  private static final Duration LIMIT = Duration.ofMillis(250);
  private static final int THREADS = 8;
  private static final int CALLS = 4;

  private static final String[] ODD = {
    "\r\n",
    "\n",
    "\r",
    "\u0000",
    "\u007f",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\n\r\n",
    "HTTP/2 200\r\n",
    "HTTP/1.1 200",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Content-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Location: http://127.0.0.1:1/\r\n",
    "Retry-After: 1\r\n",
    "WWW-Authenticate: Basic\r\n",
    "Set-Cookie: a=b\r\n",
    "Trailer: x\r\n",
    ": x\r\n",
    "no header\r\n",
    " folded\r\n",
    "\u00e9: \u00e4\r\n",
    "x: " + "y".repeat(9000) + "\r\n",
    "0\r\n\r\n",
    "1;x=y\r\n",
    "-1\r\n",
    "ffffffffffffffff\r\n",
    "0"
  };

  private final long seed;
  private final RunReport report;

  MutatedHttp(long seed, RunReport report) {
    this.seed = seed;
    this.report = report;
  }

  /** Runs so many clients, each with a server and a few calls. */
  void run(int clients) throws Exception {
    AtomicInteger next = new AtomicInteger();
    List<Thread> threads = new ArrayList<>();
    try (MachineDelay machineDelay = new MachineDelay()) {
      for (int i = 0; i < THREADS; i++) {
        Runnable some =
            () -> {
              for (int at = next.getAndIncrement(); at < clients; at = next.getAndIncrement()) {
                call(at, machineDelay);
              }
            };
        threads.add(new Thread(some, "test-caller"));
      }
      threads.forEach(Thread::start);
      for (Thread thread : threads) {
        thread.join(Duration.ofMinutes(2).toMillis());
        report.reportError("http", thread.isAlive() ? "a caller hangs" : "");
      }
    }
  }

  private void call(int number, MachineDelay machineDelay) {
    Random random = Seeds.of(seed, "http", number);
    ProtocolReplies spoken =
        ProtocolReplies.values()[random.nextInt(ProtocolReplies.values().length)];
    List<String> sent = new ArrayList<>();
    Node.Script script = (connection, request) -> answer(connection, request, spoken, random, sent);
    try (Node node = new Node(script).discardRequests()) {
      try (LlmClient client = client(spoken, node)) {
        for (int i = 0; i < CALLS; i++) {
          ask(client, "h" + number + "-" + i, machineDelay, sent);
        }
        report.reportError(
            "http", ClientInternals.activeCalls(client) == 0 ? "" : "calls are left under way");
      }
    }
  }

  private static LlmClient client(ProtocolReplies spoken, Node node) {
    Endpoint.Builder first = spoken.endpoint("node", node.url());
    first.timeout(LIMIT).stallTimeout(LIMIT);
    Endpoint last =
        Endpoint.local(
                "template",
                request -> {
                  String asked = request.messages().get(0).content();
                  String caller = RandomServer.between(asked, "caller=", ";");
                  return new SignedText(caller, "template", 0, 1).text();
                })
            .build();
    return LlmClient.builder().endpoint(first.build()).endpoint(last).build();
  }

  private void ask(
      LlmClient client, String id, MachineDelay machineDelay, Collection<String> sent) {
    long before = System.nanoTime();
    try {
      ChatResponse response = client.chat("caller=" + id + ";");
      String wrong = SignedText.findMistake(response.text(), id, response.endpoint());
      report.reportError(id, wrong.isEmpty() ? "" : wrong + " of " + shown(sent));
      String how = response.attempts().get(0).failure().map(Enum::name).orElse("right");
      report.count("http: " + how);
      boolean internal = how.equals(FailureKind.INTERNAL.name());
      report.reportError(id, internal ? response.attempts() + " of " + shown(sent) : "");
    } catch (RuntimeException | Error e) {
      report.reportError(id, "throws " + e + " of " + shown(sent));
    }
    long late = System.nanoTime() - before - LIMIT.toNanos();
    report.recordDelay(late / 1_000_000);
    boolean inTime = late <= machineDelay.delayAllowance().toNanos();
    report.reportError(id, inTime ? "" : late / 1_000_000 + " ms late, of " + shown(sent));
  }

  private static String shown(Collection<String> sent) {
    synchronized (sent) {
      return sent.toString().replace("\n", "\\n").replace("\r", "\\r");
    }
  }

  private static void answer(
      Connection connection,
      Connection.Request request,
      ProtocolReplies spoken,
      Random random,
      Collection<String> sent)
      throws IOException {
    String caller = RandomServer.between(request.body(), "caller=", ";");
    List<String> parts = parts(spoken, caller, random);
    // Behind a reply that is whole comes another that nobody has asked for.
    String reply =
        random.nextInt(5) == 0
            ? String.join("", parts) + mutated(parts(spoken, "stranger", random), random)
            : mutated(parts, random);
    synchronized (sent) {
      sent.add(reply);
    }
    byte[] bytes = reply.getBytes(StandardCharsets.ISO_8859_1);
    connection.send(bytes, 0, bytes.length);
    if (random.nextInt(3) > 0) {
      connection.close();
    }
  }

  /** A reply in which everything that is not HTTP's stands alone. */
  private static List<String> parts(ProtocolReplies spoken, String caller, Random random) {
    SignedText signed = new SignedText(caller, "node", 1, 2);
    List<String> frames = new ArrayList<>();
    signed.pieces().forEach(piece -> frames.add(spoken.textDelta(piece.replace("ü", "\\u00fc"))));
    frames.add(spoken.end(false));
    String body = String.join("", frames);
    List<String> parts = new ArrayList<>();
    switch (random.nextInt(6)) {
      case 0 -> {
        parts.add("HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n");
        parts.add(body);
      }
      case 1 -> {
        parts.add("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n");
        parts.add(body);
      }
      case 2 -> {
        parts.add("HTTP/1.1 503 X\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\n");
        parts.add("busy");
      }
      case 3 -> {
        parts.add(OllamaReplies.STREAM_HEAD);
        for (String frame : frames) {
          parts.add(Integer.toHexString(frame.length()) + ";x=1\r\n");
          parts.add(frame);
          parts.add("\r\n");
        }
        parts.add("0\r\nx: y\r\n\r\n");
      }
      default -> {
        parts.add(OllamaReplies.STREAM_HEAD);
        for (String frame : frames) {
          parts.add(Integer.toHexString(frame.length()) + "\r\n");
          parts.add(frame);
          parts.add("\r\n");
        }
        parts.add(OllamaReplies.LAST_CHUNK);
      }
    }
    return parts;
  }

  private static String mutated(List<String> parts, Random random) {
    for (int changes = random.nextInt(4); changes > 0; changes--) {
      int which = random.nextInt(parts.size());
      String part = parts.get(which);
      // The end stays: without it, every reader takes the bytes behind for a part of the head or
      // the extension.
      String end = part.startsWith("HTTP") ? "\r\n\r\n" : part.contains(";") ? "\r\n" : "";
      part = part.substring(0, Math.max(0, part.length() - end.length()));
      if (part.isEmpty() || part.contains("\"")) {
        continue;
      }
      int from = random.nextInt(part.length());
      int to = Math.min(part.length(), from + random.nextInt(20));
      String odd = ODD[random.nextInt(ODD.length)];
      parts.set(which, changed(random, part, from, to, odd) + end);
    }
    String reply = String.join("", parts);
    return random.nextInt(8) == 0 ? reply.substring(0, random.nextInt(reply.length() + 1)) : reply;
  }

  private static String changed(Random random, String part, int from, int to, String odd) {
    return switch (random.nextInt(6)) {
      case 0 -> part.substring(0, from) + (char) random.nextInt(256) + part.substring(from + 1);
      case 1 -> part.substring(0, from) + part.substring(to);
      case 2 -> part.substring(0, to) + part.substring(from);
      case 3 -> part.substring(0, from);
      default -> part.substring(0, from) + odd + part.substring(from);
    };
  }
}
