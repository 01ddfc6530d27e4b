// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import okhttp3.Headers;

/** Good replies of every protocol, changed in ways that matter and in ways that do not. */
public final class MutatedReplies {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Duration SLOW = Duration.ofSeconds(5);
  private static final Set<String> ARGUMENTS = Set.of("arguments", "args", "input");

  private static final ChatRequest PLAIN = ChatRequest.builder().user("hello").build();
  private static final ChatRequest TOOLS =
      PLAIN.toBuilder().tool("get_weather", "the weather", "{\"type\":\"object\"}").build();

  /** Pieces of text that a reader is likely to take for something else. */
  private static final String[] ODD = {
    "[".repeat(1200),
    "{\"a\":".repeat(1200),
    "9".repeat(1500),
    "1e99999999999",
    "-0",
    "\"\\ud800\"",
    "\\ud83d",
    "\ufeff",
    "\r",
    "\r\n",
    "\n\n",
    "\u0000",
    "\u2028",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "data:",
    "data: [DONE]\n\n",
    ": ping\n\n",
    "event: x\n",
    "</think>",
    "<think>",
    "<html>",
    "\"error\":{\"message\":\"x\"},",
    "\"error\":null,",
    "\"index\":-1,",
    "\"index\":4294967296,",
    "\"finish_reason\":\"stop\",",
    "\"done\":true,",
    "\"content\":[1],",
    "\"tool_calls\":[null],",
    "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1e99999999999}}}],",
    "NaN",
    "'",
    "//"
  };

  /** One reply as it was before anything happened to it. */
  private record ValidReply(ProtocolReplies spoken, ChatRequest request, String reply) {
    byte[] bytes() {
      return reply.getBytes(StandardCharsets.UTF_8);
    }

    RecordingDeltaHandler hear(ScriptedBody delivery) {
      return new RecordingDeltaHandler(request).listen(spoken.protocol(), delivery);
    }

    RecordingDeltaHandler whole() {
      RecordingDeltaHandler partialAnswer = hear(ScriptedBody.of(reply));
      partialAnswer.expectAnswer();
      return partialAnswer;
    }
  }

  private static final Map<ProtocolReplies, List<ValidReply>> GOOD =
      new EnumMap<>(ProtocolReplies.class);

  static {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      List<ValidReply> all = new ArrayList<>();
      String answer = spoken.stream("Dear Zo", "ë 🚲,\\n", "pay \\\"now\\\".");
      all.add(new ValidReply(spoken, PLAIN, answer));
      all.add(new ValidReply(spoken, PLAIN, spoken.thinkingDelta("hm, ë") + answer));
      all.add(new ValidReply(spoken, PLAIN, spoken.completeReply("Dear Zoë 🚲, pay.")));
      all.add(
          new ValidReply(
              spoken,
              TOOLS,
              spoken.textDelta("I ask.")
                  + spoken.toolCall("get_weather", "{\"city\":\"Zürich\",\"days\":2.5}")
                  + spoken.end(false)));
      GOOD.put(spoken, all);
    }
    for (String name : List.of("0.32-chat-stream", "0.24-chat-stream", "0.32-think-stream")) {
      GOOD.get(ProtocolReplies.OLLAMA)
          .add(
              new ValidReply(
                  ProtocolReplies.OLLAMA, PLAIN, RecordedReply.read("ollama", name).body()));
    }
    for (String name : List.of("0.32-tools-stream", "0.32-think-tools-stream")) {
      GOOD.get(ProtocolReplies.OLLAMA)
          .add(
              new ValidReply(
                  ProtocolReplies.OLLAMA, TOOLS, RecordedReply.read("ollama", name).body()));
    }
    for (String name : List.of("chat-stream-usage", "chat")) {
      GOOD.get(ProtocolReplies.OPENAI)
          .add(
              new ValidReply(
                  ProtocolReplies.OPENAI, PLAIN, RecordedReply.read("llama-server", name).body()));
    }
  }

  private final RunReport report;
  private final Random random;

  /** Mutations that follow from the seed. */
  public MutatedReplies(long seed, RunReport report) {
    this.report = report;
    this.random = Seeds.of(seed, "replies");
  }

  private static List<ValidReply> all() {
    return GOOD.values().stream().flatMap(List::stream).toList();
  }

  private ValidReply any() {
    List<ValidReply> all =
        GOOD.get(ProtocolReplies.values()[random.nextInt(ProtocolReplies.values().length)]);
    return all.get(random.nextInt(all.size()));
  }

  /** Cuts every reply in many places: it is whole, or it is no answer. */
  public void cutEverywhere() {
    for (ValidReply good : all()) {
      RecordingDeltaHandler whole = good.whole();
      byte[] bytes = good.bytes();
      // The recorded ones are long.
      int step = 1 + bytes.length / 700;
      for (int length = 0; length < bytes.length; length += 1 + random.nextInt(step)) {
        ScriptedBody cut = ScriptedBody.of(Arrays.copyOf(bytes, length));
        RecordingDeltaHandler partialAnswer = good.hear(length % 2 == 0 ? cut : cut.thenReset());
        report.count("reply cut");
        if (partialAnswer.streamEnd != null) {
          isAs(whole, partialAnswer, good, "cut at " + length);
        }
      }
    }
  }

  /** Damages one byte after the other, each in so many ways; of long replies some. */
  public void damageEveryByte(int ways) {
    for (ValidReply good : all()) {
      byte[] bytes = good.bytes();
      int step = 1 + bytes.length / 400;
      for (int at = 0; at < bytes.length; at += 1 + random.nextInt(step)) {
        for (int way = 0; way < ways; way++) {
          byte[] damaged = bytes.clone();
          damaged[at] = (byte) random.nextInt(256);
          hear(good, damaged);
        }
      }
    }
  }

  /** Changes so many replies in ways that say the same. */
  public void sayTheSame(int replies) {
    for (int i = 0; i < replies; i++) {
      ValidReply good = any();
      String same = same(good);
      RecordingDeltaHandler partialAnswer =
          good.hear(ScriptedBody.of(same).splitEvery(1 + random.nextInt(50)));
      report.count("reply said otherwise");
      if (partialAnswer.streamEnd == null) {
        wrong(good, "is no answer any more: " + partialAnswer.failure, same);
      } else {
        isAs(good.whole(), partialAnswer, good, same);
      }
    }
  }

  private String same(ValidReply good) {
    StringBuilder same = new StringBuilder(random.nextInt(4) == 0 ? "\ufeff" : "");
    boolean lines = good.spoken == ProtocolReplies.OLLAMA;
    boolean windows = random.nextInt(3) == 0;
    boolean streamed = lines || good.reply.contains("data:");
    for (String line : streamed ? good.reply.split("(?<=\n)") : new String[] {good.reply}) {
      String data = line.startsWith("data: ") ? "data: " : "";
      String json = line.substring(data.length()).strip();
      boolean changes = json.startsWith("{") && random.nextInt(3) > 0;
      String told = changes ? data + otherwise(json) + "\n" : line;
      same.append(windows ? told.replace("\n", "\r\n") : told);
      if (streamed && random.nextInt(4) == 0 && (lines || line.isBlank())) {
        same.append(lines ? "\n" : ": ping\n\n:\n\nid: 7\n\n");
      }
    }
    return same.toString();
  }

  private String otherwise(String json) {
    try {
      return JSON.writeValueAsString(shuffled(JSON.readTree(json)))
          .replace(":{", random.nextBoolean() ? ":{" : " : { ");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The fields in another order, and some that nobody knows. */
  private JsonNode shuffled(JsonNode node) {
    if (node instanceof ObjectNode object) {
      List<String> names = new ArrayList<>();
      object.fieldNames().forEachRemaining(names::add);
      Collections.shuffle(names, random);
      ObjectNode other = JSON.createObjectNode();
      if (random.nextInt(4) == 0) {
        other.putObject("x_unknown").putArray("y").add(1).addNull();
      }
      names.forEach(
          name ->
              other.set(
                  name, ARGUMENTS.contains(name) ? object.get(name) : shuffled(object.get(name))));
      return other;
    }
    if (node instanceof ArrayNode array) {
      ArrayNode other = JSON.createArrayNode();
      array.forEach(each -> other.add(shuffled(each)));
      return other;
    }
    return node;
  }

  /** Damages so many replies at random. */
  public void damage(int replies) {
    for (int i = 0; i < replies; i++) {
      ValidReply good = any();
      byte[] damaged = good.bytes();
      for (int changes = 1 + random.nextInt(4); changes > 0 && damaged.length > 0; changes--) {
        damaged = damaged(damaged);
      }
      hear(good, damaged);
      if (random.nextInt(4) == 0) {
        refuse(good.spoken, new String(damaged, StandardCharsets.UTF_8));
      }
    }
  }

  private byte[] damaged(byte[] reply) {
    int from = random.nextInt(reply.length);
    int to = Math.min(reply.length, from + random.nextInt(60));
    String odd = ODD[random.nextInt(ODD.length)];
    byte[] before = Arrays.copyOf(reply, from);
    byte[] after = Arrays.copyOfRange(reply, from, reply.length);
    return switch (random.nextInt(8)) {
      case 0 -> joined(before, new byte[] {(byte) random.nextInt(256)}, tail(after, 1));
      case 1 ->
          joined(before, new byte[] {(byte) (after[0] ^ 1 << random.nextInt(8))}, tail(after, 1));
      case 2 -> joined(before, Arrays.copyOfRange(reply, to, reply.length));
      case 3 -> joined(Arrays.copyOf(reply, to), after);
      case 4 -> joined(before, odd.getBytes(StandardCharsets.UTF_8), after);
      case 5 -> insteadOfAValue(reply, from, odd);
      case 6 -> linesMoved(reply);
      default -> {
        byte[] other = any().bytes();
        yield joined(before, tail(other, random.nextInt(other.length)));
      }
    };
  }

  private static byte[] tail(byte[] bytes, int from) {
    return Arrays.copyOfRange(bytes, from, bytes.length);
  }

  private static byte[] insteadOfAValue(byte[] reply, int near, String value) {
    int from = near;
    while (from < reply.length && reply[from] != ':') {
      from++;
    }
    int to = from;
    while (to < reply.length && ",}\n".indexOf(reply[to]) < 0) {
      to++;
    }
    byte[] before = Arrays.copyOf(reply, Math.min(reply.length, from + 1));
    return joined(before, value.getBytes(StandardCharsets.UTF_8), tail(reply, to));
  }

  /** Returns the reply with one line gone, doubled, or swapped with another. */
  private byte[] linesMoved(byte[] reply) {
    String[] split = new String(reply, StandardCharsets.ISO_8859_1).split("(?<=\n)");
    List<String> lines = new ArrayList<>(List.of(split));
    int one = random.nextInt(lines.size());
    switch (random.nextInt(3)) {
      case 0 -> lines.remove(one);
      case 1 -> lines.add(one, lines.get(one));
      default -> Collections.swap(lines, one, random.nextInt(lines.size()));
    }
    return String.join("", lines).getBytes(StandardCharsets.ISO_8859_1);
  }

  private static byte[] joined(byte[]... parts) {
    int length = Arrays.stream(parts).mapToInt(part -> part.length).sum();
    byte[] all = new byte[length];
    int at = 0;
    for (byte[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  private void hear(ValidReply good, byte[] reply) {
    ScriptedBody delivery =
        ScriptedBody.of(reply).splitEvery(1 + random.nextInt(random.nextInt(4) == 0 ? 5 : 8000));
    long before = System.nanoTime();
    try {
      RecordingDeltaHandler partialAnswer =
          good.hear(random.nextInt(4) == 0 ? delivery.thenReset() : delivery);
      report.count(
          "reply damaged: "
              + (partialAnswer.streamEnd != null
                  ? "answer"
                  : partialAnswer.failure == null
                      ? "broken"
                      : partialAnswer.failure.kind().name()));
      if (partialAnswer.streamEnd != null) {
        isNoOther(good, partialAnswer, reply);
      }
    } catch (RuntimeException | Error e) {
      wrong(good, "throws " + e, new String(reply, StandardCharsets.UTF_8));
    }
    long took = System.nanoTime() - before;
    if (took > SLOW.toNanos()) {
      wrong(good, "takes " + took / 1_000_000 + " ms", new String(reply, StandardCharsets.UTF_8));
    }
  }

  /**
   * Checks that no other text was read than a plain reader finds, unless it is the undamaged one.
   */
  private void isNoOther(ValidReply good, RecordingDeltaHandler partialAnswer, byte[] reply) {
    String text = partialAnswer.text.toString();
    ReferenceReplyReader.Reading plain = ReferenceReplyReader.read(good.spoken, reply);
    if (text.isEmpty() || text.equals(plain.text()) || text.equals(good.whole().text.toString())) {
      return;
    }
    report.count("reply damaged: read as nobody can tell");
    if (plain.sure()) {
      String bytes = new String(reply, StandardCharsets.UTF_8);
      wrong(good, "reads '" + text + "', plainly '" + plain.text() + "'", bytes);
    }
  }

  private void refuse(ProtocolReplies spoken, String body) {
    int status = 300 + random.nextInt(300);
    Headers headers =
        Headers.of("Retry-After", ODD[random.nextInt(ODD.length)].replaceAll("[^ -~]", "x"));
    try {
      ErrorResponse reply = new ErrorResponse(status, headers, body);
      spoken.protocol().refused(reply);
      ServerProbes checks = spoken.protocol().probes();
      for (ProbeRequest probeRequest :
          new ProbeRequest[] {
            checks.liveness(), checks.modelLoaded(), checks.loadModel(), checks.generateToken()
          }) {
        if (probeRequest != null) {
          probeRequest
              .reader()
              .apply(random.nextBoolean() ? reply : new ErrorResponse(200, headers, body));
        }
      }
      report.count("refusal damaged");
    } catch (RuntimeException | Error e) {
      report.reportError(spoken + " refuses", "throws " + e + " for " + shown(body));
    }
  }

  private void isAs(
      RecordingDeltaHandler whole,
      RecordingDeltaHandler partialAnswer,
      ValidReply good,
      String what) {
    boolean same =
        whole.text.toString().equals(partialAnswer.text.toString())
            && told(whole.toolCalls).equals(told(partialAnswer.toolCalls));
    if (!same) {
      wrong(good, "reads '" + partialAnswer.text + "' " + told(partialAnswer.toolCalls), what);
    }
  }

  private static List<String> told(List<ToolCall> calls) {
    return calls.stream().map(call -> call.name() + call.arguments()).toList();
  }

  private void wrong(ValidReply good, String what, String reply) {
    report.reportError(good.spoken.name(), what + " from " + shown(reply));
  }

  private static String shown(String reply) {
    String line = reply.replace("\n", "\\n").replace("\r", "\\r");
    return line.length() > 1500 ? line.substring(0, 1500) + "..." : line;
  }
}
