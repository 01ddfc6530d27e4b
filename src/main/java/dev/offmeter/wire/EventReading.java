// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
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
 * A reply of server-sent events (WHATWG HTML, section 9.2), each with JSON as its data, read event
 * by event. The names of the events are not read, but for those of a keepalive and of an error:
 * each protocol's data says the same.
 *
 * <p>JSON that stands there without {@code data:} is an event where its last bracket closes: a
 * server that does not stream answers so, others forget the field, and Gemini sends errors over
 * several lines so, also in the middle of a stream.
 *
 * <p>Events without content are skipped wherever they come. A new object in a line of data begins
 * an event, whether a blank line came before it or not.
 */
final class EventReading implements Reading {
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

  /** A longer line names an event that is no keepalive and no error. */
  private static final int LONGEST_NAME = 20;

  private static final Set<String> KEEPALIVES =
      Set.of("ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat");

  private final BufferedSource source;
  private final Sizes sizes;
  private final Events events;

  /** Gives its memory back after each line: the next one, or another stream, takes that. */
  private final Buffer line = new Buffer();

  private final Buffer data = new Buffer();
  private JsonEnd dataEnd = new JsonEnd();

  /** How much of the data was looked at for its end. */
  private long seen;

  private final Buffer bare = new Buffer();
  private JsonEnd bareEnd = new JsonEnd();
  private String name = "";

  /**
   * A name that came behind the data: of the same event, or of the next if no blank line parts
   * them.
   */
  private String later = "";

  /** Of lines before the one that is in the source. */
  private final HeapShare share = new HeapShare();

  /** What is in the source of the line that is read, up to its new line. */
  private long ahead;

  private long read;
  private boolean begun;
  private boolean some;

  /** The most bytes of one line of a reply, and of a whole reply. */
  record Sizes(long line, long answer) {}

  /** What a protocol makes of the data. */
  interface Events {
    /**
     * The data of one event, or a reply that came whole.
     *
     * @return how the answer ended; null while there is more to come
     */
    @Nullable Ending event(JsonNode data) throws Failure;

    /** How many characters are kept beyond the event, beside what was handed on. */
    long kept();

    /** Whether the end of the text has come, so that nothing but an error can spoil it. */
    boolean isWhole();

    /**
     * {@code [DONE]} has come.
     *
     * @return how the answer ended; null if the end of the body is to be seen as well
     */
    default @Nullable Ending done() throws Failure {
      return end();
    }

    /** The body has ended in good order, or the answer is whole and nothing more is wanted. */
    Ending end() throws Failure;
  }

  EventReading(BufferedSource source, Sizes sizes, Events events) {
    this.source = source;
    this.sizes = sizes;
    this.events = events;
  }

  @Override
  public @Nullable Ending next() throws Failure, IOException {
    try {
      if (!begun) {
        begin();
      }
      return takeLine() ? read(line) : atEnd();
    } catch (IOException e) {
      if (events.isWhole()) {
        return events.end();
      }
      if (e instanceof Unreadable junk) {
        throw junk.failure();
      }
      throw e;
    } finally {
      line.clear();
    }
  }

  private void begin() throws Failure, IOException {
    begun = true;
    int first = FirstByte.of(source);
    if (first < 0) {
      throw Failure.of(FailureKind.MISSING_END_MARKER, "HTTP 200 with an empty body");
    }
    if (first == '<') {
      throw FirstByte.page(source);
    }
    if (source.getBuffer().getByte(0) == (byte) 0xef) {
      source.skip(BYTE_ORDER_MARK);
    }
  }

  /**
   * The next line with its end; false when there is none. A carriage return alone ends a line as
   * well, and what follows it must not go down with that line.
   */
  private boolean takeLine() throws IOException {
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

  /** How many bytes there are to the next new line, with it; without one, to the end. */
  private long untilNewLine() throws IOException {
    if (data.exhausted() && bare.exhausted() && name.isEmpty() && later.isEmpty()) {
      skipBlankLines();
    }
    share.keep(data.size() + bare.size());
    long end = source.indexOf((byte) '\n', 0, sizes.line() + 1);
    if (end < 0 && source.request(sizes.line() + 1)) {
      throw tooLarge("a line", sizes.line());
    }
    return end < 0 ? source.getBuffer().size() : end + 1;
  }

  /** Nothing is in front of them that they could end. */
  private void skipBlankLines() throws IOException {
    while (source.request(1) && source.getBuffer().getByte(0) == '\n') {
      source.skip(1);
      count(1);
    }
  }

  private void count(long bytes) throws Unreadable {
    read += bytes;
    if (read > sizes.answer()) {
      throw tooLarge("the answer", sizes.answer());
    }
  }

  private @Nullable Ending read(Buffer line) throws Failure, IOException {
    if (bare.size() > 0) {
      return readBare(line);
    }
    byte first = line.getByte(0);
    if (first == '\n' || first == '\r') {
      return dispatch(false);
    }
    if (line.rangeEquals(0, DATA)) {
      return take(line);
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
      // What has lost its "data:" on the way may have been the answer.
      throw junk("JSON in a line that is no data");
    }
    if (line.size() <= LONGEST_NAME && line.rangeEquals(0, EVENT)) {
      line.skip(EVENT.size());
      named(line.readUtf8().strip().toLowerCase(Locale.ROOT));
    }
    return null;
  }

  private void named(String given) {
    if (data.exhausted()) {
      name = given;
    } else {
      later = given;
    }
  }

  /** Several lines of one event are one text, unless that was whole before. */
  private @Nullable Ending take(Buffer line) throws Failure, IOException {
    line.skip(DATA.size());
    if (!line.exhausted() && line.getByte(0) == ' ') {
      line.skip(1);
    }
    Ending ending = null;
    if (data.size() > 0 && isWhole(line)) {
      String next = later;
      later = "";
      ending = dispatch(false);
      name = next;
    }
    if (data.size() > 0 || !isBlank(line)) {
      data.write(line, line.size());
    }
    return ending;
  }

  private static boolean isBlank(Buffer line) {
    return line.size() <= 3 && line.snapshot().utf8().isBlank();
  }

  /** Whether the data so far is a value, so that the line begins another event. */
  private boolean isWhole(Buffer line) {
    byte first = data.getByte(0);
    if (first != '{' && first != '[') {
      return first > ' ' && (begins(line) || isKeepalive());
    }
    Buffer unseen = new Buffer();
    data.copyTo(unseen, seen, data.size() - seen);
    seen = data.size();
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

  private static boolean begins(Buffer line) {
    byte first = line.exhausted() ? 0 : line.getByte(0);
    return first == '{' || first == '[' || first == 'n' || first == '"';
  }

  private @Nullable Ending dispatch(boolean atEnd) throws Failure, IOException {
    String named = name.isEmpty() ? later : name;
    name = "";
    later = "";
    if (data.exhausted()) {
      return null;
    }
    byte[] event = data.readByteArray();
    if (seen > 0) {
      seen = 0;
      dataEnd = new JsonEnd();
    }
    return KEEPALIVES.contains(named) && !isPart(event) ? null : read(event, named, atEnd);
  }

  /**
   * Whether it is part of a reply, that another event has lent its name for want of a blank line.
   */
  private static boolean isPart(byte[] event) {
    return event[0] == '{'
        && InBandError.isPart(Json.tree(new String(event, StandardCharsets.UTF_8)));
  }

  /** JSON that is no field of an event. */
  private @Nullable Ending readBare(Buffer line) throws Failure, IOException {
    Ending ending = bare.exhausted() ? dispatch(false) : null;
    byte[] bytes = line.readByteArray();
    bareEnd.read(bytes);
    bare.write(bytes);
    if (ending != null || !bareEnd.isWhole()) {
      return ending;
    }
    bareEnd = new JsonEnd();
    return read(bare.readByteArray(), "", false);
  }

  /** One event, or several that stand in one line; {@code [DONE]} may stand behind them. */
  private @Nullable Ending read(byte[] event, String named, boolean atEnd)
      throws Failure, IOException {
    int length = stripped(event, event.length);
    boolean done = endsWithDone(event, length);
    int json = done ? stripped(event, length - DONE.length) : length;
    if (json > 0 && !isKeepalive(event, json)) {
      throwUnlessText(event, json, atEnd);
      boolean error = named.equals("error");
      if (error && event[0] != '{' && event[0] != '[') {
        throw InBandError.ofText(new String(event, 0, json, StandardCharsets.UTF_8).strip());
      }
      Ending ending = readAll(event, json, error, atEnd);
      if (ending != null) {
        return ending;
      }
    }
    return done ? events.done() : null;
  }

  /** What an error says is read all the same. */
  private static void throwUnlessText(byte[] event, int length, boolean atEnd)
      throws Failure, IOException {
    if (StrictUtf8.is(event, length)) {
      return;
    }
    JsonNode told = Json.tree(new String(event, 0, length, StandardCharsets.UTF_8));
    if (InBandError.isIn(told)) {
      throw InBandError.of(told);
    }
    if (!told.isMissingNode() || !atEnd) {
      throw junk(BoundedBody.NO_UTF8);
    }
  }

  private static int stripped(byte[] event, int length) {
    int end = length;
    while (end > 0 && event[end - 1] <= ' ' && event[end - 1] >= 0) {
      end--;
    }
    return end;
  }

  private static boolean endsWithDone(byte[] event, int length) {
    int from = length - DONE.length;
    return from >= 0 && Arrays.equals(event, from, length, DONE, 0, DONE.length);
  }

  /** Text in the place of JSON that some servers send to keep the connection open. */
  private static boolean isKeepalive(byte[] event, int length) {
    if (event[0] == '{' || length > LONGEST_KEEPALIVE) {
      return false;
    }
    String text = new String(event, 0, length, StandardCharsets.UTF_8).strip();
    boolean comment = text.startsWith(":") && text.indexOf('{') < 0 && text.indexOf('}') < 0;
    return comment || KEEPALIVES.contains(text.toLowerCase(Locale.ROOT));
  }

  private @Nullable Ending readAll(byte[] json, int length, boolean error, boolean atEnd)
      throws Failure, IOException {
    try (JsonParser parser = Json.REPLIES.createParser(json, 0, length)) {
      Ending ending = null;
      JsonNode value = tree(parser, json, length, atEnd);
      while (value != null && ending == null) {
        if (error && value.isObject()) {
          throw InBandError.of(value);
        }
        ending = readValue(value);
        value = ending == null ? tree(parser, json, length, atEnd) : null;
      }
      return ending;
    }
  }

  private @Nullable Ending readValue(JsonNode value) throws Failure, IOException {
    if (ReplyTree.saysNothing(value)) {
      return null;
    }
    some = true;
    if (InBandError.isIn(value)) {
      throw InBandError.of(value);
    }
    if (value.isObject()) {
      return events.event(value);
    }
    if (!value.isArray()) {
      throw junk("an event that is no object");
    }
    // Gemini's chunks without alt=sse, as from some proxies.
    Ending ending = null;
    for (JsonNode element : value) {
      ending = ending == null ? readValue(element) : ending;
    }
    return ending;
  }

  private Ending atEnd() throws Failure, IOException {
    Ending last = bare.exhausted() ? dispatch(true) : read(bare.readByteArray(), "", true);
    if (last != null) {
      return last;
    }
    if (!some) {
      throw Failure.of(FailureKind.UNEXPECTED_RESPONSE, NO_JSON);
    }
    return events.end();
  }

  private @Nullable JsonNode tree(JsonParser parser, byte[] json, int length, boolean atEnd)
      throws IOException {
    try {
      return ReplyTree.next(parser);
    } catch (StreamConstraintsException e) {
      throw new Unreadable(
          Failure.of(
              FailureKind.RESPONSE_TOO_LARGE,
              "the reply has too many values, is nested too deeply, or has a number too long"));
    } catch (JsonProcessingException | CharConversionException e) {
      throw atEnd && breaksOff(e, json, length)
          ? new Unreadable(
              Failure.of(FailureKind.TRUNCATED, "the answer ends in the middle of an event"))
          : junk(NO_JSON);
    }
  }

  /** Half a word or half a character at the end is not the parser's end of input. */
  private static boolean breaksOff(Exception e, byte[] json, int length) {
    boolean opens = json[0] == '{' || json[0] == '[';
    boolean closes = json[length - 1] == '}' || json[length - 1] == ']';
    return e instanceof JsonEOFException || (opens && !closes);
  }

  private static Unreadable junk(String what) {
    return new Unreadable(Failure.of(FailureKind.UNEXPECTED_RESPONSE, what));
  }

  private static Unreadable tooLarge(String what, long limit) {
    return new Unreadable(
        Failure.of(FailureKind.RESPONSE_TOO_LARGE, what + " is larger than " + limit + " bytes"));
  }

  @Override
  public long kept() {
    return events.kept();
  }

  @Override
  public void close() {
    share.release();
    data.clear();
    bare.clear();
  }
}
