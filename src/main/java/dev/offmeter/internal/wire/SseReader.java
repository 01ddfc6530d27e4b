// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import okio.Buffer;
import okio.BufferedSource;
import okio.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * Reads a reply of server-sent events (WHATWG HTML, section 9.2), each with JSON as its data, event
 * by event. Event names are ignored, except those of a keepalive and of an error: each protocol
 * repeats them in the data.
 *
 * <p>JSON without {@code data:} is an event that ends where its last bracket closes: a server that
 * does not stream answers so, others forget the field, and Gemini sends errors over several lines
 * so, also in the middle of a stream.
 *
 * <p>Events without content are skipped everywhere. A new object in a line of data begins an event,
 * whether a blank line came before it or not.
 */
public final class SseReader implements ReplyReader {
  private static final ByteString DATA = ByteString.encodeUtf8("data:");

  /** llama-server before 2026 sent an error as a field of its own. */
  private static final ByteString ERROR = ByteString.encodeUtf8("error:");

  private static final ByteString EVENT = ByteString.encodeUtf8("event:");
  private static final ByteString ID = ByteString.encodeUtf8("id:");
  private static final ByteString BRACES = ByteString.encodeUtf8("{}");
  private static final byte[] DONE = "[DONE]".getBytes(StandardCharsets.UTF_8);
  private static final String NO_JSON = "HTTP 200 with something that is not JSON";
  private static final int BYTE_ORDER_MARK = 3;
  private static final int LONGEST_KEEPALIVE = 40;

  /** A longer line names an event that is neither a keepalive nor an error. */
  private static final int LONGEST_NAME = 20;

  private static final Set<String> KEEPALIVES =
      Set.of("ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat");

  private final BufferedSource source;
  private final SizeLimits sizes;
  private final EventHandler events;

  /**
   * Holds the current line. Its memory is returned after each, for the next one or another stream.
   */
  private final Buffer line = new Buffer();

  private final Buffer data = new Buffer();
  private JsonEndDetector dataEnd = new JsonEndDetector();

  /** The bytes of the data that were searched for its end. */
  private long bytesSeen;

  private final Buffer bare = new Buffer();
  private JsonEndDetector bareEnd = new JsonEndDetector();
  private String name = "";

  /**
   * A name that came after the data: it belongs to the same event, or to the next if no blank line
   * separates them.
   */
  private String later = "";

  /** The budget for lines before the one that is in the source. */
  private final HeapBudget heapBudget = new HeapBudget();

  /** The length of what is in the source of the current line, up to its line feed. */
  private long ahead;

  private long read;
  private boolean begun;
  private boolean some;

  /** The most bytes of one line of a reply, and of a whole reply. */
  record SizeLimits(long line, long answer) {}

  /** Interprets the data of events, for one protocol. */
  public interface EventHandler {
    /**
     * Called with the data of one event, or a reply that came whole.
     *
     * @return how the answer ended; null while there is more to come
     */
    @Nullable StreamEnd onEvent(JsonNode data) throws AttemptException;

    /** Returns how many characters are kept beyond the event, beside the deltas. */
    long kept();

    /** Returns whether the end of the text has come, so that only an error can still spoil it. */
    boolean isWhole();

    /**
     * Called for {@code [DONE]}.
     *
     * @return how the answer ended; null if the end of the body is needed as well
     */
    default @Nullable StreamEnd onDone() throws AttemptException {
      return onEnd();
    }

    /**
     * Called when the body has ended cleanly, or the answer is complete and nothing more is wanted.
     */
    StreamEnd onEnd() throws AttemptException;
  }

  public SseReader(BufferedSource source, SizeLimits sizes, EventHandler events) {
    this.source = source;
    this.sizes = sizes;
    this.events = events;
  }

  @Override
  public @Nullable StreamEnd next() throws AttemptException, IOException {
    try {
      if (!begun) {
        start();
      }
      return readLine() ? read(line) : onEnd();
    } catch (IOException e) {
      if (events.isWhole()) {
        return events.onEnd();
      }
      if (e instanceof UnreadableReplyException junk) {
        throw junk.failure();
      }
      throw e;
    } finally {
      line.clear();
    }
  }

  private void start() throws AttemptException, IOException {
    begun = true;
    int first = BodySniffer.of(source);
    if (first < 0) {
      throw AttemptException.of(FailureKind.MISSING_END_MARKER, "HTTP 200 with an empty body");
    }
    if (first == '<') {
      throw BodySniffer.page(source);
    }
    if (source.getBuffer().getByte(0) == (byte) 0xef) {
      source.skip(BYTE_ORDER_MARK);
    }
  }

  /**
   * Reads the next line with its end; returns false when there is none. A carriage return alone
   * ends a line as well, and what follows it must not be lost with that line.
   */
  private boolean readLine() throws IOException {
    if (ahead == 0) {
      ahead = untilNewLine();
    }
    if (ahead == 0) {
      return false;
    }
    Buffer buffer = source.getBuffer();
    long at = buffer.indexOf((byte) '\r', 0, ahead - 1);
    long length = at >= 0 && buffer.getByte(at + 1) != '\n' ? at + 1 : ahead;
    ahead -= length;
    count(length);
    line.write(source, length);
    return true;
  }

  /** Returns the number of bytes to the next line feed, with it; without one, to the end. */
  private long untilNewLine() throws IOException {
    if (data.exhausted() && bare.exhausted() && name.isEmpty() && later.isEmpty()) {
      skipBlankLines();
    }
    heapBudget.keep(data.size() + bare.size());
    long end = source.indexOf((byte) '\n', 0, sizes.line() + 1);
    if (end < 0 && source.request(sizes.line() + 1)) {
      throw tooLarge("a line", sizes.line());
    }
    return end < 0 ? source.getBuffer().size() : end + 1;
  }

  /** Skips blank lines before an event, which they cannot end. */
  private void skipBlankLines() throws IOException {
    while (BodySniffer.isThere(source) && source.getBuffer().getByte(0) == '\n') {
      source.skip(1);
      count(1);
    }
  }

  private void count(long bytes) throws UnreadableReplyException {
    read += bytes;
    if (read > sizes.answer()) {
      throw tooLarge("the answer", sizes.answer());
    }
  }

  private @Nullable StreamEnd read(Buffer line) throws AttemptException, IOException {
    if (bare.size() > 0) {
      return readBare(line);
    }
    byte first = line.getByte(0);
    if (first == '\n' || first == '\r') {
      return dispatch(false);
    }
    if (line.rangeEquals(0, DATA)) {
      return takeData(line);
    }
    // Within a stream, a line that begins with a space is a field without a name.
    boolean indented = !some && (first == ' ' || first == '\t');
    if (first == '{' || first == '[' || indented) {
      return readBare(line);
    }
    if (first == '<') {
      throw junk("a page in the middle of a stream");
    }
    if (line.rangeEquals(0, ERROR)) {
      line.skip(ERROR.size());
      throw InBandError.ofText(line.readUtf8().strip());
    }
    if (first != ':' && !line.rangeEquals(0, ID) && line.indexOfElement(BRACES) >= 0) {
      // JSON that has lost its "data:" on the way may have been the answer.
      throw junk("JSON in a line that is not data");
    }
    if (line.size() <= LONGEST_NAME && line.rangeEquals(0, EVENT)) {
      line.skip(EVENT.size());
      onEventName(line.readUtf8().strip().toLowerCase(Locale.ROOT));
    }
    return null;
  }

  private void onEventName(String given) {
    if (data.exhausted()) {
      name = given;
    } else {
      later = given;
    }
  }

  /**
   * Adds a line of data. Several lines of one event are one text, unless that was complete before.
   */
  private @Nullable StreamEnd takeData(Buffer line) throws AttemptException, IOException {
    line.skip(DATA.size());
    if (!line.exhausted() && line.getByte(0) == ' ') {
      line.skip(1);
    }
    StreamEnd streamEnd = null;
    if (data.size() > 0 && isWhole(line)) {
      String next = later;
      later = "";
      streamEnd = dispatch(false);
      name = next;
    }
    if (data.size() > 0 || !isBlank(line)) {
      data.write(line, line.size());
    }
    return streamEnd;
  }

  private static boolean isBlank(Buffer line) {
    return line.size() <= 3 && line.snapshot().utf8().isBlank();
  }

  /** Returns whether the data so far is a complete value, so that the line begins another event. */
  private boolean isWhole(Buffer line) {
    byte first = data.getByte(0);
    if (first != '{' && first != '[') {
      return first > ' ' && (isJsonStart(line) || isKeepalive());
    }
    Buffer unseen = new Buffer();
    data.copyTo(unseen, bytesSeen, data.size() - bytesSeen);
    bytesSeen = data.size();
    dataEnd.read(unseen.readByteArray());
    return dataEnd.isWhole();
  }

  private boolean isKeepalive() {
    if (data.size() > LONGEST_KEEPALIVE) {
      return false;
    }
    byte[] text = data.snapshot().toByteArray();
    return isKeepalive(text, stripped(text, text.length));
  }

  private static boolean isJsonStart(Buffer line) {
    byte first = line.exhausted() ? 0 : line.getByte(0);
    return first == '{' || first == '[' || first == 'n' || first == '"';
  }

  private @Nullable StreamEnd dispatch(boolean atEnd) throws AttemptException, IOException {
    String named = name.isEmpty() ? later : name;
    name = "";
    later = "";
    if (data.exhausted()) {
      return null;
    }
    byte[] event = data.readByteArray();
    if (bytesSeen > 0) {
      bytesSeen = 0;
      dataEnd = new JsonEndDetector();
    }
    return KEEPALIVES.contains(named) && !isPart(event) ? null : read(event, named, atEnd);
  }

  /**
   * Returns whether the event is part of a reply, to which another event gave its name for want of
   * a blank line between them.
   */
  private static boolean isPart(byte[] event) {
    return event[0] == '{'
        && InBandError.isPart(Json.tree(new String(event, StandardCharsets.UTF_8)));
  }

  /** Reads JSON that is not in a field of an event. */
  private @Nullable StreamEnd readBare(Buffer line) throws AttemptException, IOException {
    StreamEnd streamEnd = bare.exhausted() ? dispatch(false) : null;
    byte[] bytes = line.readByteArray();
    bareEnd.read(bytes);
    bare.write(bytes);
    if (streamEnd != null || !bareEnd.isWhole()) {
      return streamEnd;
    }
    bareEnd = new JsonEndDetector();
    return read(bare.readByteArray(), "", false);
  }

  /** Reads one event, or several that stand in one line; {@code [DONE]} may stand after them. */
  private @Nullable StreamEnd read(byte[] event, String named, boolean atEnd)
      throws AttemptException, IOException {
    int length = stripped(event, event.length);
    boolean done = isEndedByDone(event, length);
    int json = done ? stripped(event, length - DONE.length) : length;
    if (json > 0 && !isKeepalive(event, json)) {
      throwUnlessText(event, json, atEnd);
      boolean error = named.equals("error");
      if (error && event[0] != '{' && event[0] != '[') {
        throw InBandError.ofText(new String(event, 0, json, StandardCharsets.UTF_8).strip());
      }
      StreamEnd streamEnd = readAll(event, json, error, atEnd);
      if (streamEnd != null) {
        return streamEnd;
      }
    }
    return done ? events.onDone() : null;
  }

  /** Checks the UTF-8 of an event, except of an error, which is read in any case. */
  private static void throwUnlessText(byte[] event, int length, boolean atEnd)
      throws AttemptException, IOException {
    if (Utf8Validator.isValid(event, length)) {
      return;
    }
    JsonNode error = Json.tree(new String(event, 0, length, StandardCharsets.UTF_8));
    if (InBandError.isIn(error)) {
      throw InBandError.of(error);
    }
    if (!error.isMissingNode() || !atEnd) {
      throw junk(BoundedInputStream.NO_UTF8);
    }
  }

  private static int stripped(byte[] event, int length) {
    int end = length;
    while (end > 0 && event[end - 1] <= ' ' && event[end - 1] >= 0) {
      end--;
    }
    return end;
  }

  private static boolean isEndedByDone(byte[] event, int length) {
    int from = length - DONE.length;
    return from >= 0 && Arrays.equals(event, from, length, DONE, 0, DONE.length);
  }

  /**
   * Returns whether the event is plain text, which some servers send to keep the connection open.
   */
  private static boolean isKeepalive(byte[] event, int length) {
    if (event[0] == '{' || length > LONGEST_KEEPALIVE) {
      return false;
    }
    String text = new String(event, 0, length, StandardCharsets.UTF_8).strip();
    boolean comment = text.startsWith(":") && text.indexOf('{') < 0 && text.indexOf('}') < 0;
    return comment || KEEPALIVES.contains(text.toLowerCase(Locale.ROOT));
  }

  private @Nullable StreamEnd readAll(byte[] json, int length, boolean error, boolean atEnd)
      throws AttemptException, IOException {
    try (JsonParser parser = Json.REPLIES.createParser(json, 0, length)) {
      StreamEnd streamEnd = null;
      JsonNode value = tree(parser, json, length, atEnd);
      while (value != null && streamEnd == null) {
        if (error && value.isObject()) {
          throw InBandError.of(value);
        }
        streamEnd = readValue(value);
        value = streamEnd == null ? tree(parser, json, length, atEnd) : null;
      }
      return streamEnd;
    }
  }

  private @Nullable StreamEnd readValue(JsonNode value) throws AttemptException, IOException {
    if (LenientJsonTree.isEmptyValue(value)) {
      return null;
    }
    some = true;
    if (InBandError.isIn(value)) {
      throw InBandError.of(value);
    }
    if (value.isObject()) {
      return events.onEvent(value);
    }
    if (!value.isArray()) {
      throw junk("an event that is not an object");
    }
    // Gemini's chunks without alt=sse, as from some proxies.
    StreamEnd streamEnd = null;
    for (JsonNode element : value) {
      streamEnd = streamEnd == null ? readValue(element) : streamEnd;
    }
    return streamEnd;
  }

  private StreamEnd onEnd() throws AttemptException, IOException {
    StreamEnd last = bare.exhausted() ? dispatch(true) : read(bare.readByteArray(), "", true);
    if (last != null) {
      return last;
    }
    if (!some) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, NO_JSON);
    }
    return events.onEnd();
  }

  private @Nullable JsonNode tree(JsonParser parser, byte[] json, int length, boolean atEnd)
      throws IOException {
    try {
      return LenientJsonTree.next(parser);
    } catch (StreamConstraintsException e) {
      throw new UnreadableReplyException(
          AttemptException.of(
              FailureKind.RESPONSE_TOO_LARGE,
              "the reply has too many values, is nested too deeply, or has a number too long"));
    } catch (JsonProcessingException | CharConversionException e) {
      throw atEnd && isTruncated(e, json, length)
          ? new UnreadableReplyException(
              AttemptException.of(
                  FailureKind.TRUNCATED, "the answer ends in the middle of an event"))
          : junk(NO_JSON);
    }
  }

  /**
   * Returns whether the JSON is truncated: half a word or half a character at the end is not what
   * the parser calls end of input.
   */
  private static boolean isTruncated(Exception e, byte[] json, int length) {
    boolean opens = json[0] == '{' || json[0] == '[';
    boolean closes = json[length - 1] == '}' || json[length - 1] == ']';
    return e instanceof JsonEOFException || (opens && !closes);
  }

  private static UnreadableReplyException junk(String what) {
    return new UnreadableReplyException(AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, what));
  }

  private static UnreadableReplyException tooLarge(String what, long limit) {
    return new UnreadableReplyException(
        AttemptException.of(
            FailureKind.RESPONSE_TOO_LARGE, what + " is larger than " + limit + " bytes"));
  }

  @Override
  public long kept() {
    return events.kept();
  }

  @Override
  public void close() {
    heapBudget.release();
    data.clear();
    bare.clear();
  }
}
