// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.anthropic;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Image;
import dev.offmeter.Message;
import dev.offmeter.Role;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.EndMarkerPolicy;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.HttpErrorClassifier;
import dev.offmeter.internal.wire.InfoRequests;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.MessageTurns;
import dev.offmeter.internal.wire.OmissibleField;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.ReplyReader;
import dev.offmeter.internal.wire.RequestAdaptations;
import dev.offmeter.internal.wire.SseReader;
import dev.offmeter.internal.wire.ToolCallIds;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/**
 * Speaks Anthropic's {@code POST /v1/messages}, always streamed. Behaviour as in Anthropic's API
 * documentation and the source of its Java SDK. Sends no seed, which Anthropic does not know;
 * Claude thinks only if the endpoint's option {@code thinking} says so.
 */
public final class AnthropicChat implements Protocol {
  /** Describes how such an endpoint is built. */
  public static final ProtocolDescriptor API =
      new ProtocolDescriptor(
          "x-api-key",
          "",
          Map.of(
              "system", ProtocolDescriptor.SYSTEM,
              "max_tokens", ProtocolDescriptor.MAX_TOKENS,
              "stop_sequences", ProtocolDescriptor.STOP,
              "output_config", ProtocolDescriptor.ANSWER_SCHEMA),
          List.of(
              OmissibleField.callers("temperature"),
              OmissibleField.callers("top_p"),
              OmissibleField.bySetting("output_config")),
          ".*/(messages|v1/(complete|models))/*",
          true,
          AnthropicChat::new);

  private static final String VERSION = "2023-06-01";

  private static final JsonRequest.Names NAMES =
      new JsonRequest.Names("top_p", "", "stop_sequences");

  private final ProtocolDescriptor.ServerConfig server;
  private final HttpUrl url;
  private final EndMarkerPolicy markers;

  public AnthropicChat(ProtocolDescriptor.ServerConfig server) {
    this.server = server;
    this.markers = new EndMarkerPolicy(server);
    HttpUrl.Builder path = server.baseUrl().newBuilder();
    if (!server.baseUrl().encodedPath().matches(".*/v1/?")) {
      path.addPathSegment("v1");
    }
    this.url = path.addPathSegment("messages").build();
  }

  @Override
  public List<InfoRequest> infoRequests() {
    HttpUrl models =
        url.newBuilder()
            .removePathSegment(url.pathSize() - 1)
            .addPathSegment("models")
            .addQueryParameter("limit", "1000")
            .build();
    InfoRequest list = InfoRequests.models(models, name -> name.equals(server.model()), true);
    return List.of(
        new InfoRequest(
            list.topics(),
            () -> list.request().get().header("anthropic-version", VERSION),
            list.reader()));
  }

  @Override
  public String provider() {
    return "anthropic";
  }

  @Override
  public Request.Builder request(ChatRequest request) {
    return JsonRequest.post(url, "application/json, text/event-stream", o -> write(request, o))
        .header("anthropic-version", VERSION);
  }

  private void write(ChatRequest request, JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeNumberField("max_tokens", request.maxTokens());
    out.writeBooleanField("stream", true);
    String system = MessageTurns.system(request);
    if (!system.isEmpty()) {
      out.writeStringField("system", system);
    }
    writeMessages(request, out);
    writeTools(request, out);
    if (request.answerSchema().isPresent() && !server.isOmitted("output_config")) {
      writeFormat(request.answerSchema().get(), out);
    }
    JsonRequest.sampling(server, request, NAMES, out);
  }

  private static void writeMessages(ChatRequest request, JsonGenerator out) throws IOException {
    ToolCallIds ids = new ToolCallIds(request);
    out.writeArrayFieldStart("messages");
    for (List<Message> turn : MessageTurns.of(request)) {
      out.writeStartObject();
      boolean model = turn.get(0).role() == Role.ASSISTANT;
      out.writeStringField("role", model ? "assistant" : "user");
      out.writeArrayFieldStart("content");
      for (Message message : turn) {
        writeContent(message, ids, out);
      }
      out.writeEndArray();
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private static void writeContent(Message message, ToolCallIds ids, JsonGenerator out)
      throws IOException {
    if (message.role() == Role.TOOL) {
      out.writeStartObject();
      out.writeStringField("type", "tool_result");
      out.writeStringField("tool_use_id", ids.ofResult(message));
      out.writeStringField("content", message.content());
      out.writeEndObject();
      return;
    }
    for (Image image : message.images()) {
      writeImage(image, out);
    }
    // Anthropic rejects a blank text block.
    if (!message.content().isBlank()) {
      out.writeStartObject();
      out.writeStringField("type", "text");
      out.writeStringField("text", message.content());
      out.writeEndObject();
    }
    for (ToolCall call : message.toolCalls()) {
      out.writeStartObject();
      out.writeStringField("type", "tool_use");
      out.writeStringField("id", ids.ofCall(call));
      out.writeStringField("name", call.name());
      JsonRequest.rawField(out, "input", call.arguments());
      out.writeEndObject();
    }
  }

  /** Writes an image, which Anthropic recommends to place before the text. */
  private static void writeImage(Image image, JsonGenerator out) throws IOException {
    out.writeStartObject();
    out.writeStringField("type", "image");
    out.writeObjectFieldStart("source");
    out.writeStringField("type", "base64");
    out.writeStringField("media_type", image.mediaType());
    out.writeFieldName("data");
    JsonRequest.base64("", image, out);
    out.writeEndObject();
    out.writeEndObject();
  }

  private static void writeTools(ChatRequest request, JsonGenerator out) throws IOException {
    if (request.tools().isEmpty()) {
      return;
    }
    out.writeArrayFieldStart("tools");
    for (ChatRequest.Tool tool : request.tools()) {
      out.writeStartObject();
      out.writeStringField("name", tool.name());
      out.writeStringField("description", tool.description());
      JsonRequest.rawField(out, "input_schema", tool.schema());
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private static void writeFormat(String schema, JsonGenerator out) throws IOException {
    out.writeObjectFieldStart("output_config");
    out.writeObjectFieldStart("format");
    out.writeStringField("type", "json_schema");
    JsonRequest.rawField(out, "schema", schema);
    out.writeEndObject();
    out.writeEndObject();
  }

  @Override
  public @Nullable Adaptation adapted(ChatRequest request, ErrorResponse refusal, boolean known) {
    return RequestAdaptations.without(server, this, AnthropicChat::new, API, request, refusal);
  }

  @Override
  public ReplyReader read(ChatRequest request, ResponseBody body, DeltaHandler handler) {
    AnthropicEventHandler reply = new AnthropicEventHandler(request, markers, handler);
    return new SseReader(body.source(), server.sizes(), reply);
  }

  @Override
  public AttemptException refused(ErrorResponse reply) {
    return HttpErrorClassifier.of(reply);
  }
}
