// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A caller's own checks decide whether a complete answer counts as one. */
class AnswerCheckTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private Node small;
  private LlmClient client;

  @BeforeEach
  void aSmallModelAndALargeOne() {
    small = loopback.node(OllamaReplies.answering("Dear", " [Name],", " pay."));
    Node large = loopback.node(OllamaReplies.answering("Dear Zoë, invoice 1042 is due."));
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("small", small).build())
                .endpoint(ollama("large", large).build()));
  }

  private static ChatRequest.Builder request() {
    return ChatRequest.builder().user("draft a reminder");
  }

  @Test
  void anAnswerThatIsTurnedDownGoesToTheNextEndpoint() {
    ChatResponse response =
        client.chat(request().accept(AnswerCheck.mentions("INVOICE 1042")).build());

    assertThat(response.endpoint()).isEqualTo("large");
    Attempt rejected = response.attempts().get(0);
    assertThat(rejected.failure()).contains(FailureKind.ANSWER_REJECTED);
    assertThat(rejected.message())
        .isEqualTo("a check rejected the answer: lacks \"INVOICE 1042\", which it must mention");
    assertThat(rejected.status()).hasValue(200);
  }

  @Test
  void anObjectionNamesTheFirstTextThatIsLackingIfItIsShort() {
    String sentence = "We thank you for your order of the third.";
    ChatResponse answer = ChatResponse.builder().text("Dear Zoë, invoice 1042.").build();

    assertThat(AnswerCheck.mentions("zoë", "1042", "1043").objection(answer))
        .contains("lacks \"1043\", which it must mention");
    assertThat(AnswerCheck.mentions("1042", sentence).objection(answer))
        .contains("lacks text 2 of 2, which it must mention");
    assertThat(AnswerCheck.mentions("two\nlines").objection(answer))
        .contains("lacks text 1 of 1, which it must mention");
    assertThat(AnswerCheck.mentions("DEAR", "1042").objection(answer)).isEmpty();
  }

  @Test
  void allChecksMustAgree() {
    ChatRequest request =
        request().accept(answer -> Optional.empty()).accept(AnswerCheck.noPlaceholders()).build();

    assertThat(client.chat(request).endpoint()).isEqualTo("large");
    assertThat(client.chat(request().accept(answer -> Optional.empty()).build()).endpoint())
        .isEqualTo("small");
  }

  @Test
  void aRejectedAnswerSaysNothingOfTheNodesHealth() {
    ChatRequest request = request().accept(AnswerCheck.noPlaceholders()).build();
    for (int i = 0; i < 5; i++) {
      client.chat(request);
    }

    assertThat(small.requests()).hasSize(5);
  }

  @Test
  void aCheckThatThrowsTurnsTheAnswerDown() {
    ChatRequest request =
        request()
            .accept(
                answer -> {
                  throw new IllegalStateException("secret " + answer.text());
                })
            .build();

    assertThatThrownBy(() -> client.chat(request))
        .isInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("it threw java.lang.IllegalStateException")
        .hasMessageNotContaining("secret")
        .hasMessageNotContaining("Zoë");
  }

  @SuppressWarnings("unchecked")
  private static <E extends Exception> void sneak(Exception e) throws E {
    throw (E) e;
  }

  private static List<AnswerCheck> checksThatFail() {
    return List.of(
        answer -> null,
        answer -> {
          AnswerCheckTest.<RuntimeException>sneak(new IOException("canary"));
          return Optional.empty();
        },
        answer -> {
          throw new StackOverflowError("canary");
        },
        answer -> {
          throw new AssertionError("canary");
        });
  }

  @ParameterizedTest
  @MethodSource("checksThatFail")
  void howeverACheckFailsTheNextEndpointIsAsked(AnswerCheck check) {
    ChatRequest request =
        request()
            .accept(a -> a.endpoint().equals("large") ? Optional.empty() : check.objection(a))
            .build();

    ChatResponse response = client.chat(request);
    assertThat(response.endpoint()).isEqualTo("large");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.ANSWER_REJECTED);
    assertThat(response.attempts().get(0).message()).doesNotContain("canary");
  }

  @Test
  void aCheckSeesWhoAnsweredAndWhatFailedBefore() {
    List<ChatResponse> seen = new ArrayList<>();
    ChatRequest request =
        request()
            .accept(
                answer -> {
                  seen.add(answer);
                  return answer.endpoint().equals("large")
                      ? Optional.empty()
                      : Optional.of("too\nsmall");
                })
            .build();

    ChatResponse response = client.chat(request);

    assertThat(seen).hasSize(2);
    assertThat(seen.get(1).text()).isEqualTo(response.text());
    assertThat(response.attempts().get(0).message())
        .endsWith("a check rejected the answer: too small");
    assertThat(response.attempts()).hasSize(2);
  }

  @Test
  void aStreamThatIsTurnedDownAtItsEndStartsAgain() {
    ChatRequest request = request().accept(AnswerCheck.noPlaceholders()).build();
    StringBuilder shown = new StringBuilder();
    try (ChatStream stream = client.stream(request)) {
      for (ChatEvent event : stream) {
        if (event instanceof ChatEvent.TextDelta delta) {
          shown.append(delta.text());
        } else if (event instanceof ChatEvent.Restarted restarted) {
          assertThat(restarted.failed().failure()).contains(FailureKind.ANSWER_REJECTED);
          shown.setLength(shown.length() - restarted.discardText());
        }
      }
    }
    assertThat(shown).hasToString("Dear Zoë, invoice 1042 is due.");
  }

  private static Optional<String> judged(AnswerCheck check, String text, FinishReason reason) {
    return check.objection(ChatResponse.builder().text(text).finishReason(reason).build());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Dear [Your Name],",
        "Dear {{customer}},",
        "Dear <name>,",
        "Sum: ____",
        "[insert date here]"
      })
  void aGapIsAPlaceholder(String text) {
    assertThat(judged(AnswerCheck.noPlaceholders(), text, FinishReason.STOP)).isPresent();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Dear Zoë,",
        "see [our page](https://example.com)",
        "items [1] and [2]",
        "3 < 4 and 5 > 4",
        "a_b __init__ {x}"
      })
  void whatLooksAlikeIsNone(String text) {
    assertThat(judged(AnswerCheck.noPlaceholders(), text, FinishReason.STOP)).isEmpty();
  }

  @Test
  void lengthsAndCutsAreChecked() {
    assertThat(judged(AnswerCheck.lengthBetween(2, 3), "ab", FinishReason.STOP)).isEmpty();
    assertThat(judged(AnswerCheck.lengthBetween(2, 3), "a", FinishReason.STOP)).isPresent();
    assertThat(judged(AnswerCheck.lengthBetween(2, 3), "abcd", FinishReason.STOP)).isPresent();
    assertThat(judged(AnswerCheck.notTruncated(), "ab", FinishReason.LENGTH)).isPresent();
    assertThat(judged(AnswerCheck.notTruncated(), "ab", FinishReason.STOP)).isEmpty();
    assertThatThrownBy(() -> AnswerCheck.lengthBetween(3, 2))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> AnswerCheck.mentions()).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> AnswerCheck.mentions("a", ""))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
