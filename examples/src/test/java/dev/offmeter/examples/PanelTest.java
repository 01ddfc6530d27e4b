// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;
import org.junit.jupiter.api.Test;

final class PanelTest {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(bytes, true, UTF_8);

  @Test
  void rowsAreDrawnAnewInTheirPlaceAndNothingOfTheOldOnesIsLeft() {
    out.println("before");
    try (Panel panel = new Panel(out, true)) {
      panel.show(List.of("one", "two", "three"));
      panel.show(List.of("four"));
      panel.show(List.of("five", "six"));
    }
    out.println("after");

    assertThat(terminal()).containsExactly("before", "five", "six", "after", "");
  }

  @Test
  void whatIsPrintedMeanwhileScrollsByAboveAndNoneOfItIsHidden() {
    try (Panel panel = new Panel(out, true)) {
      PrintStream above = panel.above(out, UTF_8);
      above.println("first");
      panel.show(List.of("one", "two"));
      above.print("sec");
      panel.show(List.of("three"));
      above.println("ond\nZoë 株式会社");
      panel.show(List.of("four", "five"));
    }

    assertThat(terminal()).containsExactly("first", "second", "Zoë 株式会社", "four", "five", "");
  }

  @Test
  void rowAsWideAsTheTerminalOrWiderIsCut() {
    try (Panel panel = new Panel(out, true)) {
      panel.show(List.of("x".repeat(78), "y".repeat(79), "株".repeat(40), "z"));
      panel.show(List.of("x".repeat(78), "y".repeat(79), "株".repeat(40), "z"));
    }

    assertThat(terminal())
        .containsExactly("x".repeat(78), "y".repeat(75) + "...", "株".repeat(37) + "...", "z", "");
  }

  @Test
  void whatAServerSaysCannotSteerTheTerminal() {
    try (Panel panel = new Panel(out, false)) {
      panel.show(List.of("a\u001b[2J\u009b1A\nb"));
    }

    assertThat(shown()).isEqualToNormalizingNewlines("a [2J 1A b\n");
  }

  @Test
  void terminalIsRestoredAtTheEndAndNothingIsDrawnAfterIt() {
    Panel panel = new Panel(out, true);
    panel.show(List.of("one"));
    assertThat(TestTerminal.isRestored(shown())).isFalse();
    PrintStream above = panel.above(out, UTF_8);

    panel.close();
    panel.show(List.of("two"));
    above.println("after");

    assertThat(TestTerminal.isRestored(shown())).isTrue();
    assertThat(terminal()).containsExactly("one", "after", "");
  }

  @Test
  void whereNothingCanBeDrawnAnewRowsFollowOneAnother() {
    try (Panel panel = new Panel(out, false)) {
      panel.show(List.of("one"));
      panel.above(out, UTF_8).println("above");
      panel.show(List.of("two"));
    }

    assertThat(shown().lines()).containsExactly("one", "above", "two");
    assertThat(shown()).doesNotContain("\u001b");
  }

  private List<String> terminal() {
    return TestTerminal.showing(shown());
  }

  private String shown() {
    return bytes.toString(UTF_8);
  }
}
