// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Message;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A server that is only slow must not get every request twice. */
class ResendPolicyTest {
  private static final Duration LIMIT = Duration.ofSeconds(15);
  private static final long AT_LEAST = seconds(2);
  private static final ChatRequest SHORT = ChatRequest.builder().user("a reminder").build();

  private final ManualTime time = new ManualTime();
  private final EndpointActivity activity =
      new EndpointActivity(new AttemptTimeouts(LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, null), 0);
  private final ResendPolicy resendPolicy = new ResendPolicy(activity, time);

  private static long seconds(long seconds) {
    return Duration.ofSeconds(seconds).toNanos();
  }

  private boolean isDueAfter(long silence) {
    return isDueAfter(silence, SHORT);
  }

  private boolean isDueAfter(long silence, ChatRequest request) {
    long since = time.nanos();
    time.advance(Duration.ofSeconds(silence));
    return resendPolicy.isDue(request, since, AT_LEAST);
  }

  @BeforeEach
  void answersInASecond() {
    resendPolicy.onAnswer(seconds(1));
  }

  @Test
  void noneIsDueWhereNobodyHasBeenAnswered() {
    ResendPolicy never = new ResendPolicy(activity, time);
    long since = time.nanos();

    time.advance(Duration.ofSeconds(60));

    assertThat(never.isDue(SHORT, since, AT_LEAST)).isFalse();
  }

  @Test
  void aSilenceOfTwiceTheUsualIsDue() {
    for (int i = 0; i < 20; i++) {
      resendPolicy.onAnswer(seconds(4));
    }

    assertThat(isDueAfter(7)).isFalse();
    assertThat(isDueAfter(8)).isTrue();
  }

  @Test
  void oneLongSilenceIsNotTheUsual() {
    resendPolicy.onAnswer(seconds(20));
    resendPolicy.onAnswer(seconds(1));
    resendPolicy.onAnswer(seconds(1));

    assertThat(isDueAfter(2)).isTrue();
  }

  @Test
  void theLastOnesCount() {
    for (int i = 0; i < 50; i++) {
      resendPolicy.onAnswer(seconds(10));
    }
    for (int i = 0; i < 16; i++) {
      resendPolicy.onAnswer(seconds(1));
    }

    assertThat(isDueAfter(2)).isTrue();
  }

  @Test
  void aShortSilenceNeverIs() {
    assertThat(isDueAfter(1)).isFalse();
    assertThat(isDueAfter(2)).isTrue();
  }

  @Test
  void oneInVainForbidsThemForTenMinutesAndTheNextForTwenty() {
    resendPolicy.onOutcome(false);
    time.advance(Duration.ofMinutes(9));
    assertThat(isDueAfter(5)).isFalse();
    time.advance(Duration.ofMinutes(1));
    assertThat(isDueAfter(5)).isTrue();

    resendPolicy.onOutcome(false);

    time.advance(Duration.ofMinutes(19));
    assertThat(isDueAfter(5)).isFalse();
    time.advance(Duration.ofMinutes(1));
    assertThat(isDueAfter(5)).isTrue();
  }

  @Test
  void oneThatHelpedForgivesThoseInVain() {
    resendPolicy.onOutcome(false);
    time.advance(Duration.ofMinutes(10));
    resendPolicy.onOutcome(true);
    resendPolicy.onOutcome(false);

    time.advance(Duration.ofMinutes(10));

    assertThat(isDueAfter(5)).isTrue();
  }

  @Test
  void aLongRequestIsOnlyIfSuchHaveBeenAnswered() {
    ChatRequest longer = ChatRequest.builder().user("word ".repeat(1000)).build();
    assertThat(isDueAfter(5, longer)).isFalse();

    activity.onServed(2600);

    assertThat(isDueAfter(5, longer)).isTrue();
  }

  @Test
  void allThatIsSentAgainCounts() {
    String long5000 = "x".repeat(5000);
    List<ChatRequest.Builder> requests =
        List.of(
            ChatRequest.builder().user(long5000),
            ChatRequest.builder().user("x").tool("f", long5000, "{}"),
            ChatRequest.builder().user("x").tool("f", "d", "{\"a\":\"" + long5000 + "\"}"),
            ChatRequest.builder().user("x").answerSchema("{\"title\":\"" + long5000 + "\"}"),
            ChatRequest.builder()
                .user("x")
                .message(
                    Message.assistant(
                        "", List.of(new ToolCall("1", "f", "{\"a\":\"" + long5000 + "\"}"))))
                .message(Message.toolResult("1", "f", "x")),
            ChatRequest.builder()
                .user("x")
                .message(Message.assistant("", List.of(new ToolCall("1", "f", "{}"))))
                .message(Message.toolResult("1", "f", long5000)));
    for (ChatRequest.Builder request : requests) {
      assertThat(ResendPolicy.length(request.build())).isBetween(5000L, 5100L);
      assertThat(isDueAfter(60, request.build())).isFalse();
    }
    activity.onServed(2600);

    for (ChatRequest.Builder request : requests) {
      assertThat(isDueAfter(60, request.build())).isTrue();
    }
  }
}
