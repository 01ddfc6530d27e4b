// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ScreenTest {
  private static final Attempt CUT =
      Attempt.builder("mac-mini").failure(FailureKind.TRUNCATED).build();
  private static final String VOID = "-- mac-mini: TRUNCATED; its text is void, starting again --";
  private static final String SENTENCE = "we have not seen your payment of invoice 1042 yet. ";

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(bytes, true, UTF_8);

  @ParameterizedTest
  @ValueSource(strings = {"Dear Zoë", "Dear Zoë,\n\n", "\n", "\n\nDear\n\nZoë", " ", "", "\u4e00"})
  void whatIsVoidIsClearedFromATerminalAndWhatStoodAboveStays(String part) {
    assertThat(afterTakingBack(part)).containsExactly("above", VOID, "Dear José", "");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 20})
  void longParagraphsAreClearedWhole(int sentences) {
    assertThat(afterTakingBack("Dear Zoë,\n\n" + SENTENCE.repeat(sentences)))
        .containsExactly("above", VOID, "Dear José", "");
  }

  @ParameterizedTest
  @ValueSource(ints = {77, 78, 79, 80, 81, 160, 500})
  void wordWiderThanTheTerminalIsClearedWhole(int length) {
    assertThat(afterTakingBack("x".repeat(length))).containsExactly("above", VOID, "Dear José", "");
  }

  @Test
  void eachOfTwoAnswersIsClearedAlone() {
    Screen screen = new Screen(out, true);
    screen.shows(SENTENCE.repeat(9));
    screen.takesBack(CUT);
    screen.shows(SENTENCE.repeat(3));
    screen.takesBack(CUT);

    assertThat(terminal()).containsExactly(VOID, VOID, "");
  }

  @Test
  void rowsOfATerminalAreBrokenAtSpacesAndLoseNothing() {
    new Screen(out, true).shows(SENTENCE.repeat(5));

    assertThat(terminal()).hasSize(4).allSatisfy(row -> assertThat(row).hasSizeLessThan(80));
    assertThat(String.join(" ", terminal())).isEqualTo(SENTENCE.repeat(5));
  }

  @Test
  void whereNothingCanBeClearedALineSaysWhatIsVoid() {
    Screen screen = new Screen(out, false);
    screen.shows("Dear Zoë, " + SENTENCE.repeat(3));
    screen.takesBack(CUT);
    screen.shows("Dear José\n");

    assertThat(shown().lines())
        .containsExactly("Dear Zoë, " + SENTENCE.repeat(3), VOID, "Dear José");
    assertThat(shown()).doesNotContain("\u001b");
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void controlCharactersDoNotReachTheOutput(boolean clears) {
    String all =
        IntStream.range(0, 0x100)
            .filter(c -> (c < 0x20 || (c >= 0x7f && c < 0xa0)) && c != '\n' && c != '\t')
            .mapToObj(Character::toString)
            .collect(Collectors.joining());
    new Screen(out, clears).shows("Dear" + all + "\tZoë\u001b[2J\r\n" + all);

    assertThat(shown().replace(System.lineSeparator(), "\n")).isEqualTo("Dear Zoë[2J\n");
  }

  private List<String> afterTakingBack(String part) {
    Screen screen = new Screen(out, true);
    out.println("above");
    part.codePoints().mapToObj(Character::toString).forEach(screen::shows);
    screen.takesBack(CUT);
    screen.shows("Dear José");
    screen.ends();
    return terminal();
  }

  private List<String> terminal() {
    return TestTerminal.showing(shown());
  }

  private String shown() {
    return bytes.toString(UTF_8);
  }
}
