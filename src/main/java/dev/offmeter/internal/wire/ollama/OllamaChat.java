// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.Image;
import dev.offmeter.Message;
import dev.offmeter.Role;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.BoundedInputStream;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.HttpErrorClassifier;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.OmissibleField;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.ReplyReader;
import dev.offmeter.internal.wire.RequestAdaptations;
import dev.offmeter.internal.wire.ServerProbes;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/**
 * Speaks Ollama's native {@code POST /api/chat}, always streamed: only then can a dead node be told
 * from a slow one. Behaviour as in Ollama's API documentation and as observed on 0.24 and 0.32.
 */
public final class OllamaChat implements Protocol {
  /** Ollama answers an option of the wrong type with HTTP 500, as observed on 0.24 and 0.32. */
  private static final Pattern BAD_OPTION = Pattern.compile("option \"[^\"]*\" must be of .*");

  /** Describes how such an endpoint is built. */
  public static final ProtocolDescriptor API =
      new ProtocolDescriptor(
          "Authorization",
          "Bearer ",
          Map.of(
              "num_predict", ProtocolDescriptor.MAX_TOKENS,
              "keep_alive", "use Endpoint.keepAlive",
              "truncate", "a prompt is never cut in silence",
              "shift", "a conversation is never cut in silence",
              "options", "set each of them by its own name"),
          List.of(
              OmissibleField.ours("think", "thinking"),
              OmissibleField.ours("truncate"),
              OmissibleField.ours("shift"),
              OmissibleField.callers("keep_alive"),
              OmissibleField.callers("temperature"),
              OmissibleField.callers("top_p"),
              OmissibleField.callers("seed"),
              OmissibleField.bySetting("format")),
          ".*/(api(/(chat|generate|tags|ps|show|version|embed|embeddings))?|v1(/.*)?)/*",
          false,
          OllamaChat::new);

  private final ProtocolDescriptor.ServerConfig server;
  private final OllamaContextWindow context;
  private final HttpUrl url;

  public OllamaChat(ProtocolDescriptor.ServerConfig server) {
    this(server, new OllamaContextWindow(server));
  }

  private OllamaChat(ProtocolDescriptor.ServerConfig server, OllamaContextWindow context) {
    this.server = server;
    this.context = context;
    this.url = server.baseUrl().newBuilder().addPathSegments("api/chat").build();
  }

  @Override
  public ServerProbes probes() {
    return OllamaProbes.of(server, context);
  }

  @Override
  public List<InfoRequest> infoRequests() {
    return OllamaInfoRequests.of(server);
  }

  @Override
  public String provider() {
    return "ollama";
  }

  @Override
  public Request.Builder request(ChatRequest request) {
    return JsonRequest.post(
        url, "application/json, application/x-ndjson", out -> write(request, out));
  }

  private void write(ChatRequest request, JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeBooleanField("stream", true);
    // Without think, a model that can think does. Off with a format: a model that may think but
    // does not is never held to the format.
    if (!server.isOmitted("think")) {
      out.writeBooleanField("think", request.thinking() && request.answerSchema().isEmpty());
    }
    // Without truncate, a prompt longer than the context is cut silently.
    if (!server.isOmitted("truncate")) {
      out.writeBooleanField("truncate", false);
    }
    shift(server, out);
    keepAlive(server, out);
    out.writeArrayFieldStart("messages");
    for (Message message : request.messages()) {
      out.writeStartObject();
      out.writeStringField("role", JsonRequest.name(message.role()));
      out.writeStringField("content", message.content());
      writeImages(message, out);
      writeToolCalls(message, out);
      out.writeEndObject();
    }
    out.writeEndArray();
    JsonRequest.functions(request, out);
    if (request.answerSchema().isPresent() && !server.isOmitted("format")) {
      JsonRequest.rawField(out, "format", request.answerSchema().get());
    }
    out.writeObjectFieldStart("options");
    JsonRequest.options(allOptions(request), out);
    out.writeEndObject();
  }

  private static void writeImages(Message message, JsonGenerator out) throws IOException {
    if (message.images().isEmpty()) {
      return;
    }
    out.writeArrayFieldStart("images");
    for (Image image : message.images()) {
      JsonRequest.base64("", image, out);
    }
    out.writeEndArray();
  }

  /** Returns the types that Ollama's source names; it has no decoder for a GIF. */
  @Override
  public Set<String> imageTypes() {
    return Set.of("image/png", "image/jpeg", "image/webp");
  }

  /**
   * Writes {@code shift: false}. Without it, Ollama silently drops the beginning of a conversation
   * while the answer is written. In every request, because Ollama reloads the model when the value
   * changes.
   */
  static void shift(ProtocolDescriptor.ServerConfig server, JsonGenerator out) throws IOException {
    if (!server.isOmitted("shift")) {
      out.writeBooleanField("shift", false);
    }
  }

  static void keepAlive(ProtocolDescriptor.ServerConfig server, JsonGenerator out)
      throws IOException {
    Duration keepAlive = server.keepAlive();
    if (keepAlive != null && !server.isOmitted("keep_alive")) {
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
    request.temperature().ifPresent(value -> set("temperature", value, all));
    request.topP().ifPresent(value -> set("top_p", value, all));
    request.seed().ifPresent(value -> set("seed", value, all));
    if (!request.stop().isEmpty()) {
      // An empty list would take the model's own stop tokens away.
      all.put("stop", request.stop());
    }
    return all;
  }

  private void set(String option, Object value, Map<String, Object> all) {
    if (!server.isOmitted(option)) {
      all.put(option, value);
    }
  }

  @Override
  public @Nullable Adaptation adapted(ChatRequest request, ErrorResponse refusal, boolean known) {
    // "context shift is not enabled" is not a complaint about the field.
    return refused(refusal).kind() == FailureKind.CONTEXT_OVERFLOW
        ? null
        : RequestAdaptations.without(
            server, this, other -> new OllamaChat(other, context), API, request, refusal);
  }

  @Override
  public ReplyReader read(ChatRequest request, ResponseBody body, DeltaHandler handler) {
    BoundedInputStream bounded =
        new BoundedInputStream(
            new KeepaliveFilter(body.source().inputStream()),
            server.maxLineBytes(),
            server.maxAnswerBytes());
    OllamaChunk chunk = new OllamaChunk(!request.tools().isEmpty(), request.maxTokens(), context);
    return new OllamaStreamReader(body.source(), bounded, chunk, handler);
  }

  @Override
  public AttemptException refused(ErrorResponse reply) {
    return refusal(reply);
  }

  static AttemptException refusal(ErrorResponse reply) {
    AttemptException failure = HttpErrorClassifier.of(reply);
    if (reply.status() == 500 && BAD_OPTION.matcher(failure.message()).matches()) {
      return failure.withKind(FailureKind.OPTION_REJECTED);
    }
    return failure;
  }
}
