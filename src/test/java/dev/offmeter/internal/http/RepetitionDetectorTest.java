// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same passage four times in a row ends an answer, and nothing else does. */
class RepetitionDetectorTest {
  private static final String SENTENCE = "I am sorry, but I cannot answer that question. ";

  /** No text has the letters of another at random. */
  private static String passage(int length, int seed) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder();
    while (text.length() < length) {
      text.append((char) ('a' + random.nextInt(26)));
    }
    return text.toString();
  }

  /** Returns after how many characters the text repeats itself; -1 if it does not. */
  private static int stoppedAt(String text, int delta) {
    RepetitionDetector detector = new RepetitionDetector();
    for (int at = 0; at < text.length(); at += delta) {
      if (detector.add(text.substring(at, Math.min(text.length(), at + delta)))) {
        return (int) detector.characters();
      }
    }
    return -1;
  }

  private static void isStopped(String text) {
    assertThat(stoppedAt(text, 4)).as(text).isPositive();
  }

  private static void goesOn(String text) {
    assertThat(stoppedAt(text, 4)).as(text).isNegative();
  }

  @ParameterizedTest
  @ValueSource(ints = {40, 41, 63, 79, 80, 81, 159, 160, 500, 639, 640, 1279, 1280, 1999, 2000})
  void itIsStoppedWhereTheFourthIsCompleteHoweverItComes(int length) {
    for (int before : new int[] {0, 1, 17, 95, 5000, 20_001}) {
      String text = passage(before, 1).toUpperCase(Locale.ROOT) + passage(length, 2).repeat(5);
      for (int delta : new int[] {1, 3, 100, 100_000}) {
        assertThat(stoppedAt(text, delta)).isEqualTo(before + 4 * length);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {40, 79, 80, 500, 1280, 2000})
  void threeTimesIsNotEnoughWhateverFollows(int length) {
    String thrice = passage(length, 2).repeat(4).substring(0, 4 * length - 1);

    goesOn(passage(333, 1) + thrice + "-" + passage(3000, 3));
    goesOn(thrice);
  }

  @Test
  void aPassageIsNeitherShorterNorLonger() {
    goesOn(passage(39, 1).repeat(300));
    goesOn(passage(2001, 1).repeat(8));
    goesOn("abcde ".repeat(3000));
  }

  @Test
  void itAgreesWithACountOfEveryPassageAtEveryCharacter() {
    for (int seed = 0; seed < 60; seed++) {
      Random random = new Random(seed);
      StringBuilder text = new StringBuilder();
      while (text.length() < 2500) {
        String piece = passage(1 + random.nextInt(130), random.nextInt(3));
        text.append(piece.repeat(1 + random.nextInt(5)));
      }
      String whole = text.toString();
      assertThat(stoppedAt(whole, 7)).as("seed " + seed).isEqualTo(counted(whole));
    }
  }

  /** Returns the same by comparing every passage at every character. */
  private static int counted(String text) {
    int[] runs = new int[RepetitionDetector.LONGEST + 1];
    for (int at = 0; at < text.length(); at++) {
      int ofShorter = 0;
      for (int period = 1; period <= Math.min(at, RepetitionDetector.LONGEST); period++) {
        runs[period] = text.charAt(at) == text.charAt(at - period) ? runs[period] + 1 : 0;
        if (period < RepetitionDetector.SHORTEST) {
          ofShorter = Math.max(ofShorter, runs[period] + period);
        } else if (runs[period] >= 3 * period && ofShorter < 4 * period) {
          return at + 1;
        }
      }
    }
    return -1;
  }

  @Test
  void sentencesInAnyScriptAreStopped() {
    isStopped("Dear Zoe, " + SENTENCE.repeat(5));
    isStopped("- Check the connection to the server first.\n".repeat(5));
    isStopped(
        "\u8bf7\u68c0\u67e5\u670d\u52a1\u5668\u7684\u8fde\u63a5\u3002"
            .repeat(4)
            .concat("\u597d")
            .repeat(5));
    isStopped("**Note:** \"the invoice\" is due (as agreed) on 1 May.\n\n".repeat(5));
  }

  @Test
  void tablesListsAndSeparatorsGoOn() {
    goesOn("| open | none | to be paid within thirty days of receipt |\n".repeat(100));
    goesOn("-----".repeat(2000) + "\n" + "=====".repeat(2000) + " ".repeat(9000));
    goesOn(("-".repeat(78) + "\n").repeat(50));
    goesOn("0.00  12.50   3.75   0.00  12.50   3.75  17.25\n".repeat(50));
    StringBuilder list = new StringBuilder();
    for (int i = 1; i <= 300; i++) {
      list.append(i).append(". Check the connection to the server and its certificate.\n");
    }
    goesOn(list.toString());
  }

  @Test
  void recordsCodeAndEncodedBytesGoOn() {
    goesOn("[" + "{\"name\":\"consulting\",\"currency\":\"EUR\",\"amount\":100},".repeat(100));
    goesOn("  builder.append(separator).append(value);\n".repeat(20));
    goesOn("<td class=\"amount\">not yet known to us</td>\n".repeat(20));
    goesOn("AAAA".repeat(5000));
    byte[] bytes = new byte[30_000];
    new Random(1).nextBytes(bytes);
    goesOn(java.util.Base64.getEncoder().encodeToString(bytes));
  }

  @Test
  void aPoemWithARefrainGoesOn() {
    StringBuilder poem = new StringBuilder();
    for (int verse = 0; verse < 30; verse++) {
      poem.append(passage(120, verse)).append("\n");
      poem.append("Quoth the Raven, and nothing more than Nevermore.\n".repeat(3));
    }
    goesOn(poem.toString());
  }

  @Test
  void whatWasForgottenIsNotCounted() {
    RepetitionDetector detector = new RepetitionDetector();
    for (int i = 0; i < 10; i++) {
      assertThat(detector.add(SENTENCE.repeat(3))).isFalse();
      detector.clear();
    }
    assertThat(detector.add(SENTENCE.repeat(4))).isTrue();
    assertThat(detector.passage()).isEqualTo(SENTENCE.length());
  }

  /** The texts are those that a search for repetitions finds hardest. */
  @Test
  void itsWorkGrowsWithTheLengthOfTheTextOnly() {
    int length = 1 << 20;
    StringBuilder fibonacci = new StringBuilder("ab");
    String before = "a";
    while (fibonacci.length() < length) {
      String last = fibonacci.toString();
      fibonacci.append(before);
      before = last;
    }
    StringBuilder bits = new StringBuilder();
    StringBuilder nearly = new StringBuilder();
    Random random = new Random(1);
    for (int i = 0; bits.length() < length; i++) {
      bits.append(random.nextBoolean() ? 'a' : 'b');
    }
    for (int i = 0; nearly.length() < length; i++) {
      nearly.append(passage(40 + random.nextInt(1900), i).repeat(4)).setLength(nearly.length() - 1);
    }
    for (String hard :
        new String[] {
          "a".repeat(length),
          "ab".repeat(length / 2),
          passage(39, 1).repeat(length / 39),
          "| a row of a table of equal rows of any kind |\n".repeat(length / 47),
          fibonacci.toString(),
          bits.toString(),
          nearly.toString(),
          passage(length, 1)
        }) {
      RepetitionDetector detector = new RepetitionDetector();
      boolean unused = detector.add(hard);
      assertThat(detector.steps()).as(hard.substring(0, 50)).isLessThan(50L * hard.length());
    }
  }
}
