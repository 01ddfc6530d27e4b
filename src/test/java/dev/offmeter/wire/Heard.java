// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/** Listens to one answer, and keeps how it went. */
final class Heard implements Pieces {
  static final OllamaChat OLLAMA = limited(8 << 20, 32L << 20);

  private final ChatRequest request;
  final StringBuilder text = new StringBuilder();
  final StringBuilder thinking = new StringBuilder();
  final List<String> pieces = new ArrayList<>();
  final List<ToolCall> toolCalls = new ArrayList<>();
  Ending ending;
  Failure failure;
  IOException broken;

  Heard() {
    this(ChatRequest.builder().user("hello").build());
  }

  Heard(ChatRequest request) {
    this.request = request;
  }

  static OllamaChat limited(long maxLineBytes, long maxAnswerBytes) {
    return new OllamaChat(
        server(
            HttpUrl.get("http://localhost:11434"),
            "asked",
            Map.of(),
            null,
            maxLineBytes,
            maxAnswerBytes));
  }

  static Api.Server server(
      HttpUrl base,
      String model,
      Map<String, Object> options,
      @Nullable Duration keepAlive,
      long line,
      long answer) {
    return new Api.Server(
        base, model, options, keepAlive, Dialect.OLLAMA, Api.Variant.STANDARD, line, answer, false);
  }

  static Heard from(Delivery delivery) {
    return new Heard().listen(OLLAMA, delivery);
  }

  static Heard from(String reply) {
    return from(Delivery.of(reply));
  }

  Heard listen(Protocol protocol, Delivery delivery) {
    try (Reading reading = protocol.read(request, delivery.body(), this)) {
      while (ending == null) {
        ending = reading.next();
      }
    } catch (Failure e) {
      failure = e;
    } catch (IOException e) {
      broken = e;
    }
    return this;
  }

  @Override
  public void text(String piece) {
    assertThat(piece).isNotEmpty();
    pieces.add(piece);
    text.append(piece);
  }

  @Override
  public void thinking(String piece) {
    assertThat(piece).isNotEmpty();
    pieces.add(piece);
    thinking.append(piece);
  }

  @Override
  public void part() {
    // Nothing to be heard yet.
  }

  @Override
  public void toolCall(ToolCall call) {
    toolCalls.add(call);
  }

  @Override
  public void textWasThinking() {
    thinking.append(text);
    text.setLength(0);
  }

  /** The answer, which must be complete. */
  String answer() {
    assertThat(failure).isNull();
    assertThat(broken).isNull();
    assertThat(ending).isNotNull();
    return text.toString();
  }

  /** The failure, which must be of this kind. */
  Failure failed(FailureKind kind) {
    assertThat(ending).as("the answer " + text).isNull();
    assertThat(broken).isNull();
    assertThat(failure).isNotNull();
    assertThat(failure.kind()).as(failure.message()).isEqualTo(kind);
    return failure;
  }
}
