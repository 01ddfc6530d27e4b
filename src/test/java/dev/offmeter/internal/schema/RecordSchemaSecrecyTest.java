// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDate;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** A reply damaged in many ways is read or fails, and no failure repeats a piece of it. */
class RecordSchemaSecrecyTest {
  private static final String WORD = "canary";
  private static final String DIGITS = "73625";
  private static final int ROUNDS = 20_000;

  private static final String GOOD =
      """
      ```json
      {"title":"canary in title","seats":73625,"price":0.73625,"on":true,
       "day":"2026-11-21","kind":"BIRD","tags":["canary a","canary b"],
       "rooms":[{"big":736257362573625,"half":7.3625e4,"note":"canary"},{"big":1,"half":2.5}],
       "maybe":null}
      ```
      """;

  private static final String[] PIECES = {
    "canary",
    "\"canary\"",
    "\"canary\":1,",
    "\"canary\":{\"canary\":[]},",
    "73625",
    "-73625.73625",
    "1e73625",
    "1e-73625",
    "1e7362573625",
    "1e73625736257362573625",
    "\"73625\"",
    "null",
    "true",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u00",
    "```",
    "```json",
    "\n",
    "\u0000",
    "\ud800",
    "\"title\":\"canary\",",
    "\"kind\":\"canary\",",
    "\"day\":\"73625-canary\",",
    "\"seats\":13,",
    "[".repeat(1500),
    "7362573625".repeat(150)
  };

  enum Kind {
    BIRD,
    CAT
  }

  record Room(BigInteger big, double half, Optional<String> note) {}

  record House(
      String title,
      int seats,
      BigDecimal price,
      boolean on,
      LocalDate day,
      Kind kind,
      Set<String> tags,
      List<Room> rooms,
      Optional<Room> maybe) {
    House {
      if (seats == 13 || !title.startsWith("canary in")) {
        throw new IllegalArgumentException("unlucky: " + title + tags + seats);
      }
    }
  }

  private static String damage(String text, Random random) {
    StringBuilder damaged = new StringBuilder(text);
    for (int cut = random.nextInt(3); cut >= 0; cut--) {
      int from = random.nextInt(damaged.length() + 1);
      int to = Math.min(damaged.length(), from + random.nextInt(12));
      String piece = PIECES[random.nextInt(PIECES.length)];
      switch (random.nextInt(5)) {
        case 0 -> damaged.delete(from, to);
        case 1 -> damaged.insert(from, piece);
        case 2 -> damaged.replace(from, to, piece);
        case 3 -> damaged.insert(from, damaged.substring(from, to));
        default -> replaceAToken(damaged, from, piece);
      }
    }
    return damaged.toString();
  }

  /** Replaces the text between two marks of the syntax, so that much stays JSON. */
  private static void replaceAToken(StringBuilder text, int from, String piece) {
    int start = from;
    while (start > 0 && ",:[]{}".indexOf(text.charAt(start - 1)) < 0) {
      start--;
    }
    int end = from;
    while (end < text.length() && ",:[]{}".indexOf(text.charAt(end)) < 0) {
      end++;
    }
    text.replace(start, end, piece);
  }

  @Test
  void aDamagedReplyIsReadOrFailsAndIsNeverRepeated() {
    RecordSchema<House> recordSchema = RecordSchema.of(House.class);
    Random random = new Random(20261121);
    Set<String> rules = new HashSet<>();
    int read = 0;
    for (int i = 0; i < ROUNDS; i++) {
      String reply = damage(GOOD, random);
      try {
        assertThat(recordSchema.read(reply)).isNotNull();
        read++;
      } catch (AttemptException e) {
        assertThat(e.kind()).isEqualTo(FailureKind.FORMAT_MISMATCH);
        assertThat(e.toString()).as(reply).doesNotContain(WORD, DIGITS);
        assertThat(e).hasNoCause().hasNoSuppressedExceptions();
        rules.add(e.message().replaceAll("\\[\\d+]", "[]"));
      } catch (RuntimeException e) {
        throw new AssertionError("round " + i + ": " + reply, e);
      }
    }
    assertThat(read).isBetween(ROUNDS / 100, ROUNDS / 2);
    assertThat(rules).hasSizeGreaterThan(30).anyMatch(rule -> rule.contains("constructor"));
  }

  @Test
  void theGoodReplyIsRead() throws AttemptException {
    House house = RecordSchema.of(House.class).read(GOOD);

    assertThat(house.seats()).isEqualTo(73625);
    assertThat(house.rooms())
        .extracting(Room::note)
        .containsExactly(Optional.of(WORD), Optional.empty());
  }
}
