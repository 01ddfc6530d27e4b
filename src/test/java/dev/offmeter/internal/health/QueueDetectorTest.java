// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Locality;
import dev.offmeter.observe.QueueAlert;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A wait that has doubled in like load is an alert, once in its episode. */
class QueueDetectorTest {
  private static final Duration ONE_SECOND = Duration.ofSeconds(1);

  private final List<QueueAlert> alerts = new ArrayList<>();
  private final QueueDetector detector = detector(Locality.SELF_HOSTED);

  private QueueDetector detector(Locality locality) {
    return new QueueDetector("home", "http://10.0.0.5:11434", locality, alerts::add);
  }

  private void answers(int count, long millis, int inFlight) {
    for (int i = 0; i < count; i++) {
      detector.onAnswer(Duration.ofMillis(millis).toNanos(), inFlight);
    }
  }

  @Test
  void moreThanTwiceAsLongIsAnAlertAtTheSixthOfTen() {
    answers(40, 1000, 1);
    answers(5, 2001, 1);
    assertThat(alerts).isEmpty();

    answers(1, 2001, 1);

    assertThat(alerts)
        .singleElement()
        .satisfies(
            alert -> {
              assertThat(alert.endpoint()).isEqualTo("home");
              assertThat(alert.origin()).isEqualTo("http://10.0.0.5:11434");
              assertThat(alert.inFlight()).isOne();
              assertThat(alert.waited()).hasMillis(2001);
              assertThat(alert.usual()).hasMillis(1000);
            });
    assertThat(detector.current()).contains(alerts.get(0));
  }

  @Test
  void twiceAsLongIsNone() {
    answers(40, 1000, 1);
    answers(100, 2000, 1);

    assertThat(alerts).isEmpty();
    assertThat(detector.current()).isEmpty();
  }

  @Test
  void anEpisodeHasOneAlertAndTheNextAnother() {
    answers(40, 1000, 1);
    answers(100, 3000, 1);
    assertThat(alerts).hasSize(1);

    answers(6, 1000, 1);
    assertThat(detector.current()).isEmpty();
    answers(10, 1000, 1);
    answers(9, 3000, 1);

    assertThat(alerts).hasSize(2);
  }

  @Test
  void anEpisodeEndsWhenAllLaterAnswersComeInLoadOfWhichNothingIsKnown() {
    answers(40, 1000, 1);
    answers(10, 3000, 1);
    assertThat(detector.current()).isPresent();

    answers(300, 100, 2);

    assertThat(detector.current()).isEmpty();
  }

  @Test
  void aWaitThatIsOnlyALittleShorterEndsNoEpisode() {
    answers(40, 1000, 1);
    answers(10, 3000, 1);
    answers(50, 1500, 1);
    assertThat(detector.current()).isPresent();
    answers(50, 3000, 1);

    assertThat(alerts).hasSize(1);
  }

  @Test
  void slowAnswersAreNoStandardWhileTheyAreTheException() {
    answers(200, 1000, 1);
    answers(5, 3000, 1);
    answers(10, 1000, 1);
    answers(6, 3000, 1);

    assertThat(alerts).singleElement().extracting(QueueAlert::usual).isEqualTo(ONE_SECOND);
  }

  @Test
  void theAnswersOfAnEpisodeAreNoStandard() {
    answers(40, 1000, 1);
    answers(150, 3000, 1);
    answers(10, 1000, 1);
    answers(30, 1000, 1);
    answers(10, 3000, 1);

    assertThat(alerts).extracting(QueueAlert::usual).containsExactly(ONE_SECOND, ONE_SECOND);
  }

  @Test
  void afterTwoHundredAnswersTheWaitIsTheStandard() {
    answers(40, 1000, 1);
    answers(6, 3000, 1);
    answers(199, 3000, 1);
    assertThat(detector.current()).isPresent();

    answers(1, 3000, 1);
    assertThat(detector.current()).isEmpty();
    answers(300, 3000, 1);
    assertThat(alerts).hasSize(1);

    answers(10, 7000, 1);
    assertThat(alerts).hasSize(2);
    assertThat(alerts.get(1).usual()).hasMillis(3000);
  }

  @Test
  void aLoadUnderWhichItAlwaysWasSoSlowIsNoAlert() {
    for (int inFlight = 1; inFlight <= 16; inFlight *= 2) {
      answers(40, 1000L * inFlight, inFlight);
    }
    for (int i = 0; i < 50; i++) {
      answers(1, 8000, 8);
      answers(1, 4000, 7);
      answers(1, 2000, 3);
    }

    assertThat(alerts).isEmpty();
  }

  @Test
  void likeLoadIsOneCallOrTwoOrThreeOrFourToSevenOrMore() {
    answers(40, 1000, 1);
    answers(40, 2000, 2);
    answers(40, 5000, 4);
    answers(40, 20_000, 8);
    answers(40, 2000, 3);
    answers(40, 5000, 7);
    answers(40, 20_000, 100);
    assertThat(alerts).isEmpty();

    answers(10, 11_000, 7);

    assertThat(alerts).singleElement().extracting(QueueAlert::inFlight).isEqualTo(7);
  }

  @Test
  void theLastTenAreThoseOfAnyLoadEachComparedWithItsOwn() {
    answers(40, 1000, 1);
    answers(40, 2000, 2);
    answers(3, 3000, 1);
    answers(3, 6000, 2);

    assertThat(alerts).hasSize(1);
  }

  @Test
  void withTooFewInLikeLoadThereIsNothingToCompareWith() {
    answers(QueueDetector.MIN_LEARNED / 2, 1000, 1);
    answers(QueueDetector.MIN_LEARNED / 2, 60_000, 1);
    answers(QueueDetector.MIN_LEARNED / 2, 120_000, 2);

    assertThat(alerts).isEmpty();
  }

  @Test
  void aWaitUpToASecondIsNoAlert() {
    answers(100, 0, 1);
    answers(100, 1000, 1);
    assertThat(alerts).isEmpty();
  }

  @Test
  void theAdviceIsOfWhatCanBeSet() {
    answers(40, 1000, 1);
    answers(40, 1000, 2);
    answers(6, 3000, 2);
    assertThat(alerts.get(0).advice())
        .startsWith("raise OLLAMA_NUM_PARALLEL (--parallel of llama-server) on its node")
        .contains("maxConcurrent");

    answers(10, 1000, 1);
    answers(9, 3000, 1);
    assertThat(alerts.get(1).advice())
        .startsWith("no other call of this client was there")
        .contains("OLLAMA_NUM_PARALLEL");

    QueueDetector managed = detector(Locality.MANAGED);
    for (int i = 0; i < 50; i++) {
      managed.onAnswer(Duration.ofSeconds(i < 40 ? 1 : 3).toNanos(), 1);
    }
    assertThat(alerts.get(2).advice())
        .startsWith("it is managed by others")
        .doesNotContain("OLLAMA");
  }
}
