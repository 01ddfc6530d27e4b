// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.openai;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import dev.offmeter.Image;
import dev.offmeter.Message;
import dev.offmeter.Role;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.EndMarkerPolicy;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.GoogleErrorDetails;
import dev.offmeter.internal.wire.HttpErrorClassifier;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.OmissibleField;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.ReplyReader;
import dev.offmeter.internal.wire.RequestAdaptations;
import dev.offmeter.internal.wire.ServerProbes;
import dev.offmeter.internal.wire.SseReader;
import dev.offmeter.internal.wire.ToolCallIds;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/**
 * Speaks {@code POST /v1/chat/completions} of OpenAI and of the many compatible servers, always
 * streamed; {@link Dialect} holds the differences. Behaviour as in the sources of vLLM, TGI,
 * LocalAI and Ollama, and as observed on llama-server.
 */
public final class OpenAiChat implements Protocol {
  private static final String MAX_TOKENS = "max_tokens";
  private static final String MAX_COMPLETION_TOKENS = "max_completion_tokens";
  private static final String PATH = "chat/completions";

  /** Describes how such an endpoint is built. */
  public static final ProtocolDescriptor API =
      new ProtocolDescriptor(
          "Authorization",
          "Bearer ",
          Map.of(
              "stream_options",
              "the library asks for the usage",
              MAX_TOKENS,
              ProtocolDescriptor.MAX_TOKENS,
              MAX_COMPLETION_TOKENS,
              ProtocolDescriptor.MAX_TOKENS,
              "n",
              ProtocolDescriptor.ONE_ANSWER),
          List.of(
              OmissibleField.ours("stream_options", "include_usage", "stream options"),
              OmissibleField.callers(MAX_TOKENS),
              OmissibleField.callers(MAX_COMPLETION_TOKENS),
              OmissibleField.ours(
                  "chat_template_kwargs", "enable_thinking", "chat_template", "thinking"),
              OmissibleField.ours("reasoning_effort", "reasoning effort", "reasoning", "thinking"),
              OmissibleField.callers("temperature"),
              OmissibleField.callers("top_p"),
              OmissibleField.callers("seed"),
              OmissibleField.bySetting("response_format")),
          ".*/(chat/completions|v\\d+[a-z]*/(chat|completions|models|embeddings|responses)"
              + "|api/(chat|generate|tags))/*",
          false,
          OpenAiChat::new);

  private static final JsonRequest.Names NAMES = new JsonRequest.Names("top_p", "seed", "stop");

  private final ProtocolDescriptor.ServerConfig server;
  private final Dialect dialect;
  private final EndMarkerPolicy markers;
  private final HttpUrl base;
  private final HttpUrl url;

  public OpenAiChat(ProtocolDescriptor.ServerConfig server) {
    this.server = server;
    this.dialect = server.dialect();
    this.markers = new EndMarkerPolicy(server);
    String path = server.variant().path();
    this.base = path.isEmpty() ? versioned(server.baseUrl()) : besideCall(server.baseUrl(), path);
    this.url =
        path.isEmpty()
            ? base.newBuilder().addPathSegments(PATH).build()
            : server.baseUrl().newBuilder().addPathSegments(path).build();
  }

  @Override
  public ServerProbes probes() {
    return OpenAiProbes.of(server, base, url, limitNames().isEmpty() ? null : this::writeOneToken);
  }

  /** Writes the request for one token, with a prompt of the library's and never with a user's. */
  private void writeOneToken(JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeBooleanField("stream", false);
    writeLimit(1, out);
    out.writeArrayFieldStart("messages");
    out.writeStartObject();
    out.writeStringField("role", "user");
    out.writeStringField("content", "Hi");
    out.writeEndObject();
    out.writeEndArray();
  }

  /**
   * Returns the URL of the list of models, which stands beside the calls, as far as their path
   * shows where.
   */
  private static HttpUrl besideCall(HttpUrl base, String path) {
    if (!path.equals(PATH) && !path.endsWith("/" + PATH)) {
      return versioned(base);
    }
    String before = path.substring(0, path.length() - PATH.length()).replaceFirst("/$", "");
    return before.isEmpty() ? base : base.newBuilder().addPathSegments(before).build();
  }

  /**
   * Adds the version to a base URL, which may be given with it ({@code /v1}, {@code
   * /v1beta/openai}) or without.
   */
  private static HttpUrl versioned(HttpUrl base) {
    boolean has = base.encodedPath().matches(".*/v\\d+[a-z]*(/openai)?/?");
    return has ? base : base.newBuilder().addPathSegment("v1").build();
  }

  @Override
  public List<InfoRequest> infoRequests() {
    return OpenAiInfoRequests.of(server, base);
  }

  @Override
  public String provider() {
    return switch (dialect) {
      case GENERIC, OPENAI -> "openai";
      case GEMINI -> "gcp.gemini";
      case OLLAMA -> "ollama";
      case VLLM -> "vllm";
      case LLAMA_SERVER -> "llama-server";
      case TGI -> "tgi";
      case LOCAL_AI -> "localai";
      case LM_STUDIO -> "lmstudio";
      case LITELLM -> "litellm";
    };
  }

  @Override
  public Request.Builder request(ChatRequest request) {
    return JsonRequest.post(url, "application/json, text/event-stream", out -> write(request, out));
  }

  private void write(ChatRequest request, JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeBooleanField("stream", true);
    if (!server.isOmitted("stream_options")) {
      out.writeObjectFieldStart("stream_options");
      out.writeBooleanField("include_usage", true);
      out.writeEndObject();
    }
    writeLimit(request.maxTokens(), out);
    writeMessages(request, out);
    JsonRequest.functions(request, out);
    if (request.answerSchema().isPresent() && !server.isOmitted("response_format")) {
      writeFormat(request.answerSchema().get(), out);
    }
    writeThinking(request, out);
    JsonRequest.sampling(server, request, NAMES, out);
  }

  private void writeLimit(int maxTokens, JsonGenerator out) throws IOException {
    for (String name : limitNames()) {
      out.writeNumberField(name, maxTokens);
    }
  }

  /** Returns the names under which the limit is sent: if one is refused, the other. */
  private List<String> limitNames() {
    // OpenAI's reasoning models reject max_tokens; Ollama silently ignores the other.
    List<String> names =
        dialect == Dialect.OPENAI
            ? List.of(MAX_COMPLETION_TOKENS, MAX_TOKENS)
            : List.of(MAX_TOKENS, MAX_COMPLETION_TOKENS);
    return names.stream().filter(name -> !server.isOmitted(name)).limit(1).toList();
  }

  @Override
  public boolean isOutputLimited() {
    return !limitNames().isEmpty();
  }

  /** Returns true for vLLM and TGI, as in their sources. */
  @Override
  public boolean isAnswerCountedAhead() {
    return (dialect == Dialect.VLLM || dialect == Dialect.TGI) && isOutputLimited();
  }

  private static void writeMessages(ChatRequest request, JsonGenerator out) throws IOException {
    ToolCallIds ids = new ToolCallIds(request);
    out.writeArrayFieldStart("messages");
    for (Message message : request.messages()) {
      out.writeStartObject();
      out.writeStringField("role", JsonRequest.name(message.role()));
      writeContent(message, out);
      if (message.role() == Role.TOOL) {
        out.writeStringField("tool_call_id", ids.ofResult(message));
      } else if (!message.toolCalls().isEmpty()) {
        writeToolCalls(message, ids, out);
      }
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  /** Writes a text alone as a string, which every server reads; parts only where there must be. */
  private static void writeContent(Message message, JsonGenerator out) throws IOException {
    if (message.images().isEmpty()) {
      out.writeStringField("content", message.content());
      return;
    }
    out.writeArrayFieldStart("content");
    out.writeStartObject();
    out.writeStringField("type", "text");
    out.writeStringField("text", message.content());
    out.writeEndObject();
    for (Image image : message.images()) {
      out.writeStartObject();
      out.writeStringField("type", "image_url");
      out.writeObjectFieldStart("image_url");
      out.writeFieldName("url");
      JsonRequest.base64("data:" + image.mediaType() + ";base64,", image, out);
      out.writeEndObject();
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  /**
   * Returns the types that each server reads: llama-server's own decoder has no WebP (later ones
   * need ffmpeg beside it), and a version was reported to drop one in silence; Ollama's source, LM
   * Studio's and Google's documentation name no GIF.
   */
  @Override
  public Set<String> imageTypes() {
    return switch (dialect) {
      case LLAMA_SERVER -> Set.of("image/png", "image/jpeg", "image/gif");
      case OLLAMA, LM_STUDIO, GEMINI -> Set.of("image/png", "image/jpeg", "image/webp");
      default -> Protocol.super.imageTypes();
    };
  }

  private static void writeToolCalls(Message message, ToolCallIds ids, JsonGenerator out)
      throws IOException {
    out.writeArrayFieldStart("tool_calls");
    for (ToolCall call : message.toolCalls()) {
      out.writeStartObject();
      out.writeStringField("id", ids.ofCall(call));
      out.writeStringField("type", "function");
      out.writeObjectFieldStart("function");
      out.writeStringField("name", call.name());
      out.writeStringField("arguments", call.arguments());
      out.writeEndObject();
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private void writeFormat(String schema, JsonGenerator out) throws IOException {
    out.writeObjectFieldStart("response_format");
    if (dialect == Dialect.TGI) {
      // TGI's own shape: it rejects OpenAI's, which lacks its field "value".
      out.writeStringField("type", "json");
      JsonRequest.rawField(out, "value", schema);
    } else {
      out.writeStringField("type", "json_schema");
      out.writeObjectFieldStart("json_schema");
      out.writeStringField("name", "answer");
      out.writeBooleanField("strict", true);
      JsonRequest.rawField(out, "schema", schema);
      out.writeEndObject();
    }
    out.writeEndObject();
  }

  /** Writes how to switch thinking off; nothing for a server of which no way is known. */
  private void writeThinking(ChatRequest request, JsonGenerator out) throws IOException {
    boolean off = !request.thinking() || request.answerSchema().isPresent();
    boolean byTemplate = dialect == Dialect.VLLM || dialect == Dialect.LLAMA_SERVER;
    boolean byEffort = dialect == Dialect.OLLAMA || dialect == Dialect.GEMINI;
    if (off && byTemplate && isOursToSay("chat_template_kwargs")) {
      out.writeObjectFieldStart("chat_template_kwargs");
      out.writeBooleanField("enable_thinking", false);
      out.writeEndObject();
    } else if (off && byEffort && isOursToSay("reasoning_effort")) {
      out.writeStringField("reasoning_effort", "none");
    }
  }

  private boolean isOursToSay(String field) {
    return !server.options().containsKey(field) && !server.isOmitted(field);
  }

  @Override
  public @Nullable Adaptation adapted(ChatRequest request, ErrorResponse refusal, boolean known) {
    boolean versionAdded = server.variant().path().isEmpty() && !base.equals(server.baseUrl());
    boolean noSuchPath = refused(refusal).kind() == FailureKind.PATH_NOT_FOUND;
    return !known && versionAdded && noSuchPath
        ? new Adaptation(
            new OpenAiChat(
                server.with(
                    new ProtocolDescriptor.RequestVariant(server.variant().omitted(), PATH))),
            "is asked at /" + PATH + " from now on: its server has no such path below /v1")
        : RequestAdaptations.without(server, this, OpenAiChat::new, API, request, refusal);
  }

  @Override
  public ReplyReader read(ChatRequest request, ResponseBody body, DeltaHandler handler) {
    boolean ownLimit = dialect == Dialect.OPENAI || dialect == Dialect.GEMINI;
    OpenAiEventHandler reply = new OpenAiEventHandler(request, ownLimit, markers, handler);
    return new SseReader(body.source(), server.sizes(), reply);
  }

  @Override
  public AttemptException refused(ErrorResponse reply) {
    return GoogleErrorDetails.refined(HttpErrorClassifier.of(reply), reply);
  }
}
