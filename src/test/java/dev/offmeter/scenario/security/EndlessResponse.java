// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import dev.offmeter.testing.Node;
import dev.offmeter.testing.ProtocolReplies;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import java.util.zip.Deflater;

/**
 * A server that sends without end what would fill a memory: all that the tests know.
 *
 * @param name what has no end
 * @param begin sent first
 * @param again sent after it, again and again, until the client closes
 * @param unread whether it is beside a body, so that its reader never sees it
 * @param small whether it sends many small values, which take time to read and no memory
 */
record EndlessResponse(
    String name, byte[] begin, IntFunction<byte[]> again, boolean unread, boolean small) {
  private static final String OK = "HTTP/1.1 200 OK\r\n";
  private static final String BODY = OK + "Connection: close\r\n\r\n";
  private static final String CHUNKS = OK + "Transfer-Encoding: chunked\r\n\r\n";
  private static final int BLOCK = 16 * 1024;

  @Override
  public String toString() {
    return name;
  }

  /** Returns the script of a node that sends this response. */
  Node.Script script() {
    return (connection, request) -> {
      connection.send(begin, 0, begin.length);
      for (int i = 0; true; i++) {
        byte[] more = again.apply(i);
        connection.send(more, 0, more.length);
      }
    };
  }

  /** Returns all endless responses of a protocol. */
  static List<EndlessResponse> all(ProtocolReplies spoken) {
    return Stream.of(
            outsideBody(), bodies(spoken), values(spoken), calls(spoken), compressed(spoken))
        .flatMap(List::stream)
        .toList();
  }

  /** HTTP without end, in which no answer is. */
  static List<EndlessResponse> outsideBody() {
    String chunk = CHUNKS + "5\r\n     \r\n";
    return List.of(
        outsideBody("a status line", "HTTP/1.1 200 ", "so on "),
        outsideBody("a line that is no HTTP", "", "so on "),
        outsideBody("a header", OK + "X-More: ", "so on "),
        outsideBody("the name of a header", OK, "X"),
        outsideBody("headers", OK, "X-More: so on\r\n"),
        outsideBody("interim replies", "", "HTTP/1.1 103 Early Hints\r\nLink: so on\r\n\r\n"),
        outsideBody("bare interim replies", "", "HTTP/1.1 102 Processing\r\n\r\n"),
        outsideBody("a header of an interim reply", "HTTP/1.1 100 Continue\r\nX: ", "so on "),
        outsideBody("a header of an error", "HTTP/1.1 503 X\r\nX-More: ", "so on "),
        outsideBody("the extension of a chunk", CHUNKS + "5;", "so on "),
        outsideBody("the extension of a later chunk", chunk + "5;a=", "x"),
        outsideBody("the size of a chunk", CHUNKS, "0"),
        outsideBody("the end of a chunk", CHUNKS + "5\r\n     ", "x"),
        outsideBody("extensions of small chunks", CHUNKS, "1;" + "x".repeat(2000) + "\r\n \r\n"),
        outsideBody("a trailer", chunk + "0\r\nX-More: ", "so on "),
        outsideBody("trailers", chunk + "0\r\n", "X-More: so on\r\n"));
  }

  /** Bodies of errors and of nothing. */
  static List<EndlessResponse> bodies(ProtocolReplies spoken) {
    List<EndlessResponse> all = new ArrayList<>();
    for (String status : List.of("400", "401", "404", "429", "500", "503")) {
      all.add(body("an error " + status, "HTTP/1.1 " + status + " X\r\n\r\n", "so on "));
    }
    String error = "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    all.add(body("the extension of a chunk of an error", error + "5;", "x"));
    all.add(body("an error as JSON", "HTTP/1.1 400 X\r\n\r\n{\"error\":{\"message\":\"", "x"));
    all.add(body("values in an error", "HTTP/1.1 400 X\r\n\r\n{\"error\":[", "{},"));
    all.add(body("a redirect", "HTTP/1.1 302 X\r\nLocation: /login\r\n\r\n", "so on "));
    all.add(body("a page", BODY + "<html>", "so on "));
    all.add(small("blanks", BODY, " "));
    all.add(small("line breaks", BODY, "\n"));
    all.add(small("comments", BODY, ": ping\n\n"));
    all.add(body("a comment", BODY + ": ", "ping "));
    all.add(small("names of events", BODY, "event: ping\n"));
    all.add(small("data without an end", BODY, "data: {\n"));
    all.add(body("no JSON", BODY, "so on "));
    all.add(small("pieces that carry nothing", BODY, spoken.textDelta("")));
    all.add(small("text", BODY, spoken.textDelta("so on ")));
    all.add(small("large pieces", BODY, spoken.textDelta("so on ".repeat(5000))));
    all.add(small("thinking", BODY, spoken.thinkingDelta("so on ")));
    all.add(small("large thoughts", BODY, spoken.thinkingDelta("so on ".repeat(5000))));
    all.add(small("thinking in tags", BODY, spoken.textDelta("<think>so on</think>")));
    all.add(small("ends of thinking", BODY, spoken.textDelta("so on</think>")));
    return all;
  }

  /** Returns responses with one endless value in the place of a text. */
  static List<EndlessResponse> values(ProtocolReplies spoken) {
    String[] piece = (BODY + spoken.textDelta("@")).split("\"@\"", 2);
    String here = piece[0];
    return List.of(
        body("a line", here + "\"", "so on "),
        body("an escaped line", here + "\"", "\\u00e9"),
        body("a line of other letters", here + "\"", "\u4f60"),
        body("an array in an array", here, "["),
        body("an object in an object", here, "{\"a\":"),
        body("empty objects", here + "[", "{},"),
        body("empty arrays", here + "[", "[],"),
        body("numbers", here + "[", "1.1,"),
        body("large numbers", here + "[", "9".repeat(900) + ","),
        body("texts", here + "[", "\"\","),
        body("a number", here, "9"),
        body("a fraction", here + "0.", "9"),
        body("an exponent", here + "1e", "9"),
        body("one property", here + "{", "\"a\":{\"b\":1},"),
        new EndlessResponse(
            "properties", bytes(here + "{"), EndlessResponse::properties, false, false),
        body("the name of a property", here + "{\"", "x"),
        body("blanks in a value", here, " "),
        body("an error in band", BODY + at(spoken.error("@")), "so on "),
        body("values of an error in band", BODY + "{\"error\":[", "{},"),
        body("a reply in one piece", BODY + at(spoken.completeReply("@")), "so on "),
        body("a field that nobody knows", BODY + "{\"unknown\":[", "[1],"));
  }

  /** Calls of tools. */
  static List<EndlessResponse> calls(ProtocolReplies spoken) {
    String call = spoken.toolCall("get_weather", "{\"a\":[\"@\"]}");
    return List.of(
        small("calls", BODY, spoken.toolCall("get_weather", "{\"city\":\"Bern\"}")),
        small("calls of what was not offered", BODY, spoken.toolCall("get_money", "{\"a\":1}")),
        small(
            "large calls",
            BODY,
            spoken.toolCall("f", "{\"city\":\"" + "so on ".repeat(5000) + "\"}")),
        body("a text in arguments", BODY + at(call), "so on "),
        body("values in arguments", BODY + at(call) + "\"", ",{}"),
        body("the name of a tool", BODY + at(spoken.toolCall("@", "{\"a\":1}")), "x"));
  }

  /** Returns responses that are small on the wire and endless once decompressed. */
  static List<EndlessResponse> compressed(ProtocolReplies spoken) {
    String gzip = "Content-Encoding: gzip\r\nConnection: close\r\n\r\n";
    byte[] named = {0x1f, (byte) 0x8b, 8, 8, 0, 0, 0, 0, 0, 3};
    byte[] nothing = {0, 0, 0, (byte) 0xff, (byte) 0xff};
    String here = at(spoken.textDelta("@"));
    return List.of(
        deflated("a bomb of blanks", OK + gzip, "", " "),
        deflated("a bomb of text", OK + gzip, here, "x"),
        deflated("a bomb of pieces", OK + gzip, "", spoken.textDelta("so on ")).asSmall(),
        deflated("a bomb of values", OK + gzip, here.substring(0, here.length() - 1) + "[", "[],"),
        deflated("a bomb in an error", "HTTP/1.1 500 X\r\n" + gzip, "", "so on "),
        new EndlessResponse(
            "a name in gzip", joined(bytes(OK + gzip), named), repeated("x"), true, false),
        new EndlessResponse(
            "empty blocks",
            bytes(OK + "Content-Encoding: deflate\r\nConnection: close\r\n\r\n"),
            repeated(new String(nothing, StandardCharsets.ISO_8859_1)),
            true,
            false));
  }

  private EndlessResponse asSmall() {
    return new EndlessResponse(name, begin, again, unread, true);
  }

  private static String at(String text) {
    return text.substring(0, text.indexOf('@'));
  }

  private static EndlessResponse outsideBody(String name, String begin, String again) {
    return new EndlessResponse(name, bytes(begin), repeated(again), true, false);
  }

  private static EndlessResponse body(String name, String begin, String again) {
    IntFunction<byte[]> more =
        again.codePoints().allMatch(c -> c < 0x80) ? repeated(again) : repeatedUtf8(again);
    return new EndlessResponse(name, bytes(begin), more, false, false);
  }

  private static EndlessResponse small(String name, String begin, String again) {
    return new EndlessResponse(name, bytes(begin), repeated(again), false, true);
  }

  private static IntFunction<byte[]> repeated(String again) {
    byte[] block = again.repeat(1 + BLOCK / again.length()).getBytes(StandardCharsets.ISO_8859_1);
    return i -> block;
  }

  private static IntFunction<byte[]> repeatedUtf8(String again) {
    byte[] block = bytes(again.repeat(1 + BLOCK / again.length()));
    return i -> block;
  }

  private static byte[] properties(int block) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 1000; i++) {
      text.append("\"p").append(block).append('_').append(i).append("\":1,");
    }
    return bytes(text.toString());
  }

  /** A megabyte of the text in each kilobyte. */
  private static EndlessResponse deflated(String name, String head, String begin, String again) {
    byte[] header = {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    Deflater deflater = new Deflater(Deflater.BEST_COMPRESSION, true);
    byte[] text = bytes(again.repeat((1 << 20) / again.length()));
    byte[] first = flushed(deflater, joined(bytes(begin), text));
    byte[] more = flushed(deflater, text);
    deflater.end();
    return new EndlessResponse(
        name, joined(bytes(head), joined(header, first)), i -> more, false, false);
  }

  private static byte[] flushed(Deflater deflater, byte[] text) {
    deflater.setInput(text);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] some = new byte[BLOCK];
    int count = deflater.deflate(some, 0, BLOCK, Deflater.SYNC_FLUSH);
    while (count > 0) {
      out.write(some, 0, count);
      count = deflater.deflate(some, 0, BLOCK, Deflater.SYNC_FLUSH);
    }
    return out.toByteArray();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] joined(byte[] first, byte[] second) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(first);
    out.writeBytes(second);
    return out.toByteArray();
  }
}
