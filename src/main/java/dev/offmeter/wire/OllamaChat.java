// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.Message;
import dev.offmeter.Role;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/**
 * Ollama's native {@code POST /api/chat}, always streamed: only then can a dead node be told from a
 * slow one. Behaviour as in Ollama's API documentation and as observed on 0.24 and 0.32.
 */
public final class OllamaChat implements Protocol {
  /** Ollama answers an option of the wrong type with HTTP 500, as observed on 0.24 and 0.32. */
  private static final Pattern BAD_OPTION = Pattern.compile("option \"[^\"]*\" must be of .*");

  /** How such an endpoint is built. */
  public static final Api API =
      new Api(
          "Authorization",
          "Bearer ",
          Map.of(
              "num_predict", Api.MAX_TOKENS,
              "keep_alive", "use Endpoint.keepAlive",
              "truncate", "a prompt is never cut in silence",
              "options", "set each of them by its own name"),
          ".*/(api(/(chat|generate|tags|ps|show|version|embed|embeddings))?|v1(/.*)?)/*",
          false,
          OllamaChat::new);

  private final Api.Server server;
  private final HttpUrl url;

  OllamaChat(Api.Server server) {
    this.server = server;
    this.url = server.baseUrl().newBuilder().addPathSegments("api/chat").build();
  }

  @Override
  public Checks checks() {
    return OllamaChecks.of(server);
  }

  @Override
  public Request.Builder request(ChatRequest request) {
    return JsonRequest.post(
        url, "application/json, application/x-ndjson", out -> write(request, out));
  }

  private void write(ChatRequest request, JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeBooleanField("stream", true);
    // Unset means on, for a model that can think.
    // With a format it is off: a model that then does not think is never held to the format.
    out.writeBooleanField("think", request.thinking() && request.answerSchema().isEmpty());
    // Unset means that a prompt longer than the context is cut in silence.
    out.writeBooleanField("truncate", false);
    keepAlive(server.keepAlive(), out);
    out.writeArrayFieldStart("messages");
    for (Message message : request.messages()) {
      out.writeStartObject();
      out.writeStringField("role", JsonRequest.name(message.role()));
      out.writeStringField("content", message.content());
      writeToolCalls(message, out);
      out.writeEndObject();
    }
    out.writeEndArray();
    JsonRequest.functions(request, out);
    if (request.answerSchema().isPresent()) {
      JsonRequest.rawField(out, "format", request.answerSchema().get());
    }
    out.writeObjectFieldStart("options");
    JsonRequest.options(allOptions(request), out);
    out.writeEndObject();
  }

  static void keepAlive(@Nullable Duration keepAlive, JsonGenerator out) throws IOException {
    if (keepAlive != null) {
      out.writeNumberField("keep_alive", keepAlive.isNegative() ? -1 : keepAlive.toSeconds());
    }
  }

  private static void writeToolCalls(Message message, JsonGenerator out) throws IOException {
    if (message.toolCalls().isEmpty()) {
      return;
    }
    if (message.role() == Role.TOOL) {
      ToolCall answered = message.toolCalls().get(0);
      out.writeStringField("tool_name", answered.name());
      if (!answered.id().isEmpty()) {
        out.writeStringField("tool_call_id", answered.id());
      }
      return;
    }
    out.writeArrayFieldStart("tool_calls");
    for (ToolCall call : message.toolCalls()) {
      out.writeStartObject();
      if (!call.id().isEmpty()) {
        out.writeStringField("id", call.id());
      }
      out.writeObjectFieldStart("function");
      out.writeStringField("name", call.name());
      // Ollama wants an object here and answers a string with HTTP 400, as observed on 0.24.
      out.writeFieldName("arguments");
      out.writeRawValue(call.arguments());
      out.writeEndObject();
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private Map<String, Object> allOptions(ChatRequest request) {
    Map<String, Object> all = new TreeMap<>(server.options());
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
  public Reading read(ChatRequest request, ResponseBody body, Pieces pieces) {
    BoundedBody bounded =
        new BoundedBody(
            body.source().inputStream(), server.maxLineBytes(), server.maxAnswerBytes());
    OllamaLine line = new OllamaLine(!request.tools().isEmpty());
    return new OllamaReading(body.source(), bounded, line, pieces);
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
