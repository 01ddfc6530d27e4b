// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Five different requests in a row that are refused are the endpoint's fault. */
class RefusalStreakTest {
  private final RefusalStreak refusals = new RefusalStreak();

  private static ChatRequest request(String text) {
    return ChatRequest.builder().user(text).build();
  }

  private AttemptException refuse(FailureKind kind, String text) {
    return refusals.onFailure(AttemptException.of(kind, "not today"), request(text));
  }

  private AttemptException refuseFrom(FailureKind kind, int first, int last) {
    AttemptException verdict = null;
    for (int i = first; i <= last; i++) {
      verdict = refuse(kind, "request " + i);
    }
    return verdict;
  }

  @ParameterizedTest
  @EnumSource(names = {"BAD_REQUEST", "MODEL_STOPPED"})
  void theFifthDifferentRequestIsEnough(FailureKind kind) {
    assertThat(refuseFrom(kind, 1, 4)).isNull();

    AttemptException verdict = refuse(kind, "request 5");

    assertThat(verdict.kind()).isEqualTo(kind);
    assertThat(verdict.message())
        .isEqualTo("5 different requests in a row refused, and none answered: not today");
  }

  @Test
  void oneRequestThatIsSentAgainAndAgainIsItsOwnFault() {
    for (int i = 0; i < 100; i++) {
      assertThat(refuse(FailureKind.BAD_REQUEST, "the same")).isNull();
    }
  }

  @Test
  void anAnswerBetweenBeginsTheCountAnew() {
    refuseFrom(FailureKind.BAD_REQUEST, 1, 4);
    refusals.onAnswer();

    assertThat(refuseFrom(FailureKind.BAD_REQUEST, 5, 8)).isNull();
    assertThat(refuse(FailureKind.BAD_REQUEST, "request 9")).isNotNull();
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"BAD_REQUEST", "MODEL_STOPPED"})
  void otherFailuresAreKnownForWhatTheyAre(FailureKind kind) {
    assertThat(refuseFrom(kind, 1, 10)).isNull();
  }

  @Test
  void aModelThatStopsAtItsToolsSaysNothingOfTheNextRequest() {
    for (int i = 0; i < 10; i++) {
      ChatRequest withTool =
          request("request " + i).toBuilder().tool("pay", "pays", "{\"type\":\"object\"}").build();

      assertThat(
              refusals.onFailure(
                  AttemptException.of(FailureKind.MODEL_STOPPED, "no call"), withTool))
          .isNull();
    }
  }
}
