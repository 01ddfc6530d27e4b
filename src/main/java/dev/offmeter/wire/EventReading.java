// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import okio.Buffer;
import okio.BufferedSource;
import okio.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * A reply of server-sent events (WHATWG HTML, section 9.2), each with JSON as its data, read event
 * by event. The names of the events are not read: each protocol's data says the same.
 *
 * <p>JSON that stands there without {@code data:} is read to its end as one: a server that does not
 * stream answers so, and Gemini sends errors over several lines so, also in the middle of a stream.
 */
final class EventReading implements Reading {
  private static final ByteString DATA = ByteString.encodeUtf8("data:");

  /** llama-server before 2026 sent an error as a field of its own. */
  private static final ByteString ERROR = ByteString.encodeUtf8("error:");

  private static final ByteString DONE = ByteString.encodeUtf8("[DONE]");
  private static final int BYTE_ORDER_MARK = 3;

  private final BufferedSource source;
  private final Sizes sizes;
  private final Events events;
  private final Buffer data = new Buffer();
  private long read;
  private boolean begun;
  private boolean some;

  /** The most bytes of one line of a reply, and of a whole reply. */
  record Sizes(long line, long answer) {}

  /** What a protocol makes of the data. */
  interface Events {
    /**
     * The data of one event.
     *
     * @return how the answer ended; null while there is more to come
     */
    @Nullable Ending event(JsonNode data) throws Failure;

    /** A reply that came whole, as one object. */
    @Nullable Ending whole(JsonNode reply) throws Failure;

    /** The body has ended in good order, or {@code [DONE]} has come. */
    Ending end() throws Failure;
  }

  EventReading(BufferedSource source, Sizes sizes, Events events) {
    this.source = source;
    this.sizes = sizes;
    this.events = events;
  }

  @Override
  public @Nullable Ending next() throws Failure, IOException {
    if (!begun) {
      begin();
    }
    Buffer line = line();
    return line == null ? atEnd() : read(line);
  }

  private void begin() throws Failure, IOException {
    begun = true;
    int first = FirstByte.of(source);
    if (first < 0) {
      throw Failure.of(FailureKind.INCOMPLETE, "HTTP 200 with an empty body");
    }
    if (first == '<') {
      throw FirstByte.page(source);
    }
    if (source.getBuffer().getByte(0) == (byte) 0xef) {
      source.skip(BYTE_ORDER_MARK);
    }
  }

  /** The next line without its end; null when there is none. */
  private @Nullable Buffer line() throws Failure, IOException {
    long end = source.indexOf((byte) '\n', 0, sizes.line() + 1);
    if (end < 0 && source.request(sizes.line() + 1)) {
      throw tooLarge("a line", sizes.line());
    }
    long length = end < 0 ? source.getBuffer().size() : end + 1;
    if (length == 0) {
      return null;
    }
    read += length;
    if (read > sizes.answer()) {
      throw tooLarge("the answer", sizes.answer());
    }
    Buffer line = new Buffer();
    line.write(source, length);
    return line;
  }

  private @Nullable Ending read(Buffer line) throws Failure, IOException {
    byte first = line.getByte(0);
    if (first == '\n' || first == '\r') {
      return dispatch(false);
    }
    // Within a stream, a line that begins with a space is a field without a name.
    boolean indented = !some && (first == ' ' || first == '\t');
    if (first == '{' || first == '[' || indented) {
      return readWhole(line);
    }
    if (first == '<') {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "a page in the middle of a stream");
    }
    if (line.rangeEquals(0, ERROR)) {
      line.skip(ERROR.size());
      throw InBandError.ofText(line.readUtf8().strip());
    }
    if (line.rangeEquals(0, DATA)) {
      take(line);
    }
    return null;
  }

  /** Several lines of one event are one text. */
  private void take(Buffer line) throws IOException {
    some = true;
    line.skip(DATA.size());
    if (!line.exhausted() && line.getByte(0) == ' ') {
      line.skip(1);
    }
    data.write(line, line.size());
  }

  private @Nullable Ending dispatch(boolean atEnd) throws Failure {
    byte[] event = data.readByteArray();
    int length = event.length;
    while (length > 0 && event[length - 1] <= ' ' && event[length - 1] >= 0) {
      length--;
    }
    if (length == 0) {
      return null;
    }
    boolean done = length == DONE.size() && DONE.rangeEquals(0, event, 0, length);
    return done ? events.end() : events.event(object(checked(tree(event, length, atEnd))));
  }

  private static JsonNode checked(JsonNode tree) throws Failure {
    if (InBandError.isIn(tree)) {
      throw InBandError.of(tree);
    }
    return tree;
  }

  private static JsonNode object(JsonNode tree) throws Failure {
    if (!tree.isObject()) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "an event that is no object");
    }
    return tree;
  }

  private @Nullable Ending readWhole(Buffer line) throws Failure, IOException {
    if (source.request(sizes.answer() - read + 1)) {
      throw tooLarge("the answer", sizes.answer());
    }
    line.write(source, source.getBuffer().size());
    byte[] whole = line.readByteArray();
    if (new String(whole, StandardCharsets.UTF_8).isBlank()) {
      return null;
    }
    JsonNode tree = checked(tree(whole, whole.length, true));
    if (some) {
      // Part of an answer has come; this would be another one, or a part out of place.
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "JSON that is no event in a stream of events");
    }
    some = true;
    return events.whole(tree);
  }

  private Ending atEnd() throws Failure {
    Ending last = dispatch(true);
    if (last != null) {
      return last;
    }
    if (!some) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with something that is not JSON");
    }
    return events.end();
  }

  private JsonNode tree(byte[] json, int length, boolean atEnd) throws Failure {
    try {
      return Json.strictTree(json, length);
    } catch (StreamConstraintsException e) {
      throw Failure.of(
          FailureKind.TOO_LARGE, "the reply is nested too deeply, or a number too long");
    } catch (JsonProcessingException | CharConversionException | NumberFormatException e) {
      throw atEnd && breaksOff(e, json, length)
          ? Failure.of(FailureKind.ANSWER_CUT, "the answer ends in the middle of an event")
          : Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with something that is not JSON");
    } catch (IOException e) {
      throw Failure.of(FailureKind.INTERNAL, "an array in memory could not be read");
    }
  }

  /** Half a word or half a character at the end is not the parser's end of input. */
  private static boolean breaksOff(Exception e, byte[] json, int length) {
    boolean opens = json[0] == '{' || json[0] == '[';
    boolean closes = json[length - 1] == '}' || json[length - 1] == ']';
    return e instanceof JsonEOFException || (opens && !closes);
  }

  private static Failure tooLarge(String what, long limit) {
    return Failure.of(FailureKind.TOO_LARGE, what + " is larger than " + limit + " bytes");
  }

  @Override
  public void close() {
    data.clear();
  }
}
