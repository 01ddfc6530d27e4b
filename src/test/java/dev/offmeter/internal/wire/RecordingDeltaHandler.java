// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.ollama.OllamaChat;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/** Listens to one answer, and keeps how it went. */
public final class RecordingDeltaHandler implements DeltaHandler {
  public static final OllamaChat OLLAMA = ollamaWithLimits(8 << 20, 32L << 20);

  private final ChatRequest request;
  public final StringBuilder text = new StringBuilder();
  public final StringBuilder thinking = new StringBuilder();
  public final List<String> deltas = new ArrayList<>();
  final List<ToolCall> toolCalls = new ArrayList<>();
  public StreamEnd streamEnd;
  public AttemptException failure;
  public IOException ioFailure;

  public RecordingDeltaHandler() {
    this(ChatRequest.builder().user("hello").build());
  }

  public RecordingDeltaHandler(ChatRequest request) {
    this.request = request;
  }

  public static OllamaChat ollamaWithLimits(long maxLineBytes, long maxAnswerBytes) {
    return new OllamaChat(
        server(
            HttpUrl.get("http://localhost:11434"),
            "asked",
            Map.of(),
            null,
            maxLineBytes,
            maxAnswerBytes));
  }

  public static ProtocolDescriptor.ServerConfig server(
      HttpUrl base,
      String model,
      Map<String, Object> options,
      @Nullable Duration keepAlive,
      long line,
      long answer) {
    return new ProtocolDescriptor.ServerConfig(
        base,
        model,
        options,
        keepAlive,
        Dialect.OLLAMA,
        ProtocolDescriptor.RequestVariant.STANDARD,
        line,
        answer,
        false);
  }

  public static RecordingDeltaHandler from(ScriptedBody delivery) {
    return new RecordingDeltaHandler().listen(OLLAMA, delivery);
  }

  public static RecordingDeltaHandler from(String reply) {
    return from(ScriptedBody.of(reply));
  }

  public RecordingDeltaHandler listen(Protocol protocol, ScriptedBody delivery) {
    try (ReplyReader reader = protocol.read(request, delivery.body(), this)) {
      while (streamEnd == null) {
        streamEnd = reader.next();
      }
    } catch (AttemptException e) {
      failure = e;
    } catch (IOException e) {
      ioFailure = e;
    }
    return this;
  }

  @Override
  public void onText(String piece) {
    assertThat(piece).isNotEmpty();
    deltas.add(piece);
    text.append(piece);
  }

  @Override
  public void onThinking(String piece) {
    assertThat(piece).isNotEmpty();
    deltas.add(piece);
    thinking.append(piece);
  }

  @Override
  public void onPart() {
    // Nothing to be heard yet.
  }

  @Override
  public void onToolCall(ToolCall call) {
    toolCalls.add(call);
  }

  @Override
  public void onTextWasThinking() {
    thinking.append(text);
    text.setLength(0);
  }

  /** The answer, which must be complete. */
  public String expectAnswer() {
    assertThat(failure).isNull();
    assertThat(ioFailure).isNull();
    assertThat(streamEnd).isNotNull();
    return text.toString();
  }

  /** The failure, which must be of this kind. */
  public AttemptException expectFailure(FailureKind kind) {
    assertThat(streamEnd).as("the answer " + text).isNull();
    assertThat(ioFailure).isNull();
    assertThat(failure).isNotNull();
    assertThat(failure.kind()).as(failure.message()).isEqualTo(kind);
    return failure;
  }
}
