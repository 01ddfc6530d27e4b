// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.gemini;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Image;
import dev.offmeter.Message;
import dev.offmeter.Role;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.GoogleErrorDetails;
import dev.offmeter.internal.wire.HttpErrorClassifier;
import dev.offmeter.internal.wire.InfoRequests;
import dev.offmeter.internal.wire.JsonFields;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.MessageTurns;
import dev.offmeter.internal.wire.OmissibleField;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.ReplyReader;
import dev.offmeter.internal.wire.RequestAdaptations;
import dev.offmeter.internal.wire.SseReader;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/**
 * Speaks Gemini's native {@code POST /v1beta/models/…:streamGenerateContent?alt=sse}. Behaviour as
 * in Google's API documentation and the source of its Python SDK.
 */
public final class GeminiChat implements Protocol {
  /** Describes how such an endpoint is built. */
  public static final ProtocolDescriptor API =
      new ProtocolDescriptor(
          "x-goog-api-key",
          "",
          Map.of(
              "maxOutputTokens", ProtocolDescriptor.MAX_TOKENS,
              "stopSequences", ProtocolDescriptor.STOP,
              "candidateCount", ProtocolDescriptor.ONE_ANSWER,
              "responseMimeType", ProtocolDescriptor.ANSWER_SCHEMA,
              "responseSchema", ProtocolDescriptor.ANSWER_SCHEMA,
              "responseJsonSchema", ProtocolDescriptor.ANSWER_SCHEMA,
              "contents", ProtocolDescriptor.MESSAGE,
              "systemInstruction", ProtocolDescriptor.SYSTEM,
              "generationConfig", "set each of its fields by its own name"),
          List.of(
              OmissibleField.ours(
                  "thinkingConfig",
                  "thinking_config",
                  "thinkingBudget",
                  "thinking_budget",
                  "thinkingLevel",
                  "thinking_level",
                  "includeThoughts",
                  "include_thoughts",
                  "thinking budget",
                  "thinking level",
                  "thinking"),
              OmissibleField.callers("temperature"),
              OmissibleField.callers("topP", "top_p"),
              OmissibleField.callers("seed"),
              OmissibleField.bySetting("responseJsonSchema")),
          ".*(/models|:).*",
          true,
          GeminiChat::new);

  /**
   * Stands for the signature that Gemini 3 requires with each function call in a conversation. A
   * conversation may come from another endpoint, which has none; Google documents this value for
   * that case.
   */
  private static final String NO_SIGNATURE = "skip_thought_signature_validator";

  private static final JsonRequest.Names NAMES =
      new JsonRequest.Names("topP", "seed", "stopSequences");

  private final ProtocolDescriptor.ServerConfig server;
  private final HttpUrl url;
  private final GeminiThinking thinking;

  GeminiChat(ProtocolDescriptor.ServerConfig server) {
    this.server = server;
    this.thinking = GeminiThinking.of(server.model());
    HttpUrl.Builder path = server.baseUrl().newBuilder();
    if (!server.baseUrl().encodedPath().matches(".*/v\\d+[a-z]*/?")) {
      path.addPathSegment("v1beta");
    }
    String model = server.model().replaceFirst("^models/", "");
    this.url =
        path.addPathSegment("models")
            .addPathSegment(model + ":streamGenerateContent")
            .addQueryParameter("alt", "sse")
            .build();
  }

  /** Asks {@code models.get} of Google's API. */
  @Override
  public List<InfoRequest> infoRequests() {
    String model = url.encodedPath().replaceFirst(":streamGenerateContent$", "");
    HttpUrl get = url.newBuilder().encodedPath(model).query(null).build();
    return List.of(
        InfoRequests.get(
            get,
            (reply, facts) -> {
              if (reply.has("name")) {
                facts.add(Fact.well(Topic.KEY, ""));
                facts.add(Fact.well(Topic.MODEL, "known"));
              }
              int tokens = JsonFields.count(reply, "inputTokenLimit");
              if (tokens > 0) {
                facts.add(Fact.well(Topic.CONTEXT, tokens + " tokens of input"));
              }
            },
            Topic.KEY,
            Topic.MODEL,
            Topic.CONTEXT));
  }

  @Override
  public String provider() {
    return "gcp.gemini";
  }

  @Override
  public Request.Builder request(ChatRequest request) {
    return JsonRequest.post(url, "application/json, text/event-stream", o -> write(request, o));
  }

  private void write(ChatRequest request, JsonGenerator out) throws IOException {
    writeSystem(request, out);
    writeContents(request, out);
    writeTools(request, out);
    out.writeObjectFieldStart("generationConfig");
    out.writeNumberField("maxOutputTokens", request.maxTokens());
    if (request.answerSchema().isPresent()) {
      out.writeStringField("responseMimeType", "application/json");
      if (!server.isOmitted("responseJsonSchema")) {
        JsonRequest.rawField(out, "responseJsonSchema", request.answerSchema().get());
      }
    }
    if (!server.options().containsKey("thinkingConfig") && !server.isOmitted("thinkingConfig")) {
      thinking.write(request.thinking(), out);
    }
    JsonRequest.sampling(server, request, NAMES, out);
    out.writeEndObject();
  }

  /** Writes the system message, which stands outside the conversation. */
  private static void writeSystem(ChatRequest request, JsonGenerator out) throws IOException {
    String system = MessageTurns.system(request);
    if (!system.isEmpty()) {
      out.writeObjectFieldStart("systemInstruction");
      out.writeArrayFieldStart("parts");
      writeText(system, out);
      out.writeEndArray();
      out.writeEndObject();
    }
  }

  private void writeContents(ChatRequest request, JsonGenerator out) throws IOException {
    out.writeArrayFieldStart("contents");
    for (List<Message> turn : MessageTurns.of(request)) {
      out.writeStartObject();
      boolean model = turn.get(0).role() == Role.ASSISTANT;
      out.writeStringField("role", model ? "model" : "user");
      out.writeArrayFieldStart("parts");
      for (Message message : turn) {
        writeParts(message, out);
      }
      out.writeEndArray();
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private void writeParts(Message message, JsonGenerator out) throws IOException {
    if (message.role() == Role.TOOL) {
      writeResult(message, out);
      return;
    }
    if (!message.content().isBlank()) {
      writeText(message.content(), out);
    }
    for (Image image : message.images()) {
      writeImage(image, out);
    }
    for (ToolCall call : message.toolCalls()) {
      out.writeStartObject();
      out.writeObjectFieldStart("functionCall");
      out.writeStringField("name", call.name());
      JsonRequest.rawField(out, "args", call.arguments());
      out.writeEndObject();
      if (thinking.isSignatureNeeded()) {
        out.writeStringField("thoughtSignature", NO_SIGNATURE);
      }
      out.writeEndObject();
    }
  }

  private static void writeText(String text, JsonGenerator out) throws IOException {
    out.writeStartObject();
    out.writeStringField("text", text);
    out.writeEndObject();
  }

  private static void writeImage(Image image, JsonGenerator out) throws IOException {
    out.writeStartObject();
    out.writeObjectFieldStart("inlineData");
    out.writeStringField("mimeType", image.mediaType());
    out.writeFieldName("data");
    JsonRequest.base64("", image, out);
    out.writeEndObject();
    out.writeEndObject();
  }

  /** Returns the types that Google's documentation names, of which a GIF is none. */
  @Override
  public Set<String> imageTypes() {
    return Set.of("image/png", "image/jpeg", "image/webp");
  }

  private static void writeResult(Message message, JsonGenerator out) throws IOException {
    out.writeStartObject();
    out.writeObjectFieldStart("functionResponse");
    out.writeStringField("name", message.toolCalls().get(0).name());
    out.writeObjectFieldStart("response");
    out.writeStringField("result", message.content());
    out.writeEndObject();
    out.writeEndObject();
    out.writeEndObject();
  }

  private static void writeTools(ChatRequest request, JsonGenerator out) throws IOException {
    if (request.tools().isEmpty()) {
      return;
    }
    out.writeArrayFieldStart("tools");
    out.writeStartObject();
    out.writeArrayFieldStart("functionDeclarations");
    for (ChatRequest.Tool tool : request.tools()) {
      out.writeStartObject();
      out.writeStringField("name", tool.name());
      out.writeStringField("description", tool.description());
      JsonRequest.rawField(out, "parametersJsonSchema", tool.schema());
      out.writeEndObject();
    }
    out.writeEndArray();
    out.writeEndObject();
    out.writeEndArray();
  }

  @Override
  public @Nullable Adaptation adapted(ChatRequest request, ErrorResponse refusal, boolean known) {
    return RequestAdaptations.without(server, this, GeminiChat::new, API, request, refusal);
  }

  @Override
  public ReplyReader read(ChatRequest request, ResponseBody body, DeltaHandler handler) {
    GeminiEventHandler reply = new GeminiEventHandler(!request.tools().isEmpty(), handler);
    return new SseReader(body.source(), server.sizes(), reply);
  }

  @Override
  public AttemptException refused(ErrorResponse reply) {
    return GoogleErrorDetails.refined(HttpErrorClassifier.of(reply), reply);
  }
}
