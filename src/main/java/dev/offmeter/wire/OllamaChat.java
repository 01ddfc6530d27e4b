// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Message;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import okhttp3.Headers;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;

/**
 * Ollama's native {@code POST /api/chat}, always streamed: only then can a dead node be told from a
 * slow one. Behaviour as in Ollama's API documentation and as observed on 0.24 and 0.32.
 */
public final class OllamaChat implements Protocol {
  /** As much of a page as is needed to name it. */
  private static final long PAGE_BYTES = 64 * 1024;

  /** Ollama answers an option of the wrong type with HTTP 500, as observed on 0.24 and 0.32. */
  private static final Pattern BAD_OPTION = Pattern.compile("option \"[^\"]*\" must be of .*");

  private final HttpUrl url;
  private final String model;
  private final Map<String, Object> options;
  private final @Nullable Duration keepAlive;
  private final long maxLineBytes;
  private final long maxAnswerBytes;

  /**
   * The protocol for one model on one server.
   *
   * @param baseUrl the server's root
   * @param model the model's name
   * @param options sent with every request
   * @param keepAlive how long the model stays loaded, negative for ever, null for the server's own
   * @param maxLineBytes the most bytes of one line of a reply
   * @param maxAnswerBytes the most bytes of a whole reply
   */
  public OllamaChat(
      HttpUrl baseUrl,
      String model,
      Map<String, Object> options,
      @Nullable Duration keepAlive,
      long maxLineBytes,
      long maxAnswerBytes) {
    this.url = baseUrl.newBuilder().addPathSegments("api/chat").build();
    this.model = model;
    this.options = Map.copyOf(options);
    this.keepAlive = keepAlive;
    this.maxLineBytes = maxLineBytes;
    this.maxAnswerBytes = maxAnswerBytes;
  }

  @Override
  public Request.Builder request(ChatRequest request) {
    Buffer json = new Buffer();
    try (JsonGenerator out = Json.FACTORY.createGenerator(json.outputStream())) {
      write(request, out);
    } catch (IOException e) {
      throw new UncheckedIOException("a buffer in memory does not fail", e);
    }
    return new Request.Builder()
        .url(url)
        .header("Accept", "application/json, application/x-ndjson")
        .post(new OneShotJson(json));
  }

  private void write(ChatRequest request, JsonGenerator out) throws IOException {
    out.writeStartObject();
    out.writeStringField("model", model);
    out.writeBooleanField("stream", true);
    // Unset means on, for a model that can think.
    out.writeBooleanField("think", request.thinking());
    // Unset means that a prompt longer than the context is cut in silence.
    out.writeBooleanField("truncate", false);
    if (keepAlive != null) {
      out.writeNumberField("keep_alive", keepAlive.isNegative() ? -1 : keepAlive.toSeconds());
    }
    out.writeArrayFieldStart("messages");
    for (Message message : request.messages()) {
      out.writeStartObject();
      out.writeStringField("role", message.role().name().toLowerCase(Locale.ROOT));
      out.writeStringField("content", message.content());
      out.writeEndObject();
    }
    out.writeEndArray();
    out.writeObjectFieldStart("options");
    for (Map.Entry<String, Object> option : allOptions(request).entrySet()) {
      out.writePOJOField(option.getKey(), option.getValue());
    }
    out.writeEndObject();
    out.writeEndObject();
  }

  private Map<String, Object> allOptions(ChatRequest request) {
    Map<String, Object> all = new TreeMap<>(options);
    all.put("num_predict", request.maxTokens());
    request.temperature().ifPresent(value -> all.put("temperature", value));
    request.topP().ifPresent(value -> all.put("top_p", value));
    request.seed().ifPresent(value -> all.put("seed", value));
    if (!request.stop().isEmpty()) {
      // An empty list would take the model's own stop tokens away.
      all.put("stop", request.stop());
    }
    return all;
  }

  @Override
  public Ending read(ResponseBody body, Pieces pieces) throws Failure, IOException {
    BufferedSource source = body.source();
    int first = firstByte(source);
    if (first < 0) {
      throw Failure.of(FailureKind.INCOMPLETE, "HTTP 200 with an empty body");
    }
    if (first == '<') {
      throw page(source);
    }
    BoundedBody bounded = new BoundedBody(source.inputStream(), maxLineBytes, maxAnswerBytes);
    try (JsonParser parser = Json.FACTORY.createParser(bounded)) {
      return readLines(parser, bounded, pieces);
    } catch (BoundedBody.TooLarge e) {
      throw e.failure();
    } catch (JsonEOFException e) {
      throw cut();
    } catch (StreamConstraintsException e) {
      throw Failure.of(
          FailureKind.TOO_LARGE, "the reply is nested too deeply, or a number too long");
    } catch (JsonProcessingException | CharConversionException e) {
      if (first == '{' && bounded.ended()) {
        throw cut();
      }
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with something that is not JSON");
    }
  }

  /** The first byte after a byte order mark and white space, -1 if there is none. */
  private static int firstByte(BufferedSource source) throws IOException {
    for (long i = 0; source.request(i + 1); i++) {
      int next = source.getBuffer().getByte(i) & 0xff;
      boolean blank = next == ' ' || next == '\n' || next == '\r' || next == '\t';
      boolean mark = next >= 0x80 && i < 3;
      if ((!blank && !mark) || i == PAGE_BYTES) {
        return next;
      }
    }
    return -1;
  }

  private static Failure cut() {
    return Failure.of(FailureKind.ANSWER_CUT, "the answer ends in the middle of a line");
  }

  private static Failure page(BufferedSource source) throws IOException {
    source.request(PAGE_BYTES);
    String page = source.getBuffer().snapshot().utf8();
    return Refusals.of(new Reply(200, Headers.EMPTY, page));
  }

  private static Ending readLines(JsonParser parser, BoundedBody bounded, Pieces pieces)
      throws Failure, IOException {
    OllamaLine line = new OllamaLine();
    ThinkTags tags = new ThinkTags(pieces);
    JsonToken token;
    while ((token = parser.nextToken()) != null) {
      if (token != JsonToken.START_OBJECT) {
        throw noReply();
      }
      line.read(parser);
      bounded.lineEnds(parser.currentLocation().getByteOffset());
      line.throwIfError();
      if (!line.thinking().isEmpty()) {
        pieces.thinking(line.thinking());
      }
      if (!line.content().isEmpty()) {
        tags.content(line.content());
      }
      if (line.done()) {
        tags.end();
        if (tags.blurTheAnswer()) {
          throw Failure.of(
              FailureKind.INCOMPLETE, "its <think> tags do not pair: what is answer is unclear");
        }
        return line.ending();
      }
    }
    throw line.isReply()
        ? Failure.of(FailureKind.INCOMPLETE, "the answer ended without its end marker")
        : noReply();
  }

  private static Failure noReply() {
    return Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with JSON that is no chat reply");
  }

  @Override
  public Failure refused(Reply reply) {
    Failure failure = Refusals.of(reply);
    if (reply.status() == 500 && BAD_OPTION.matcher(failure.message()).matches()) {
      return failure.withKind(FailureKind.OPTION_REJECTED);
    }
    return failure;
  }
}
