// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.ChatResponse.ToolCall;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;

/** Checks what a test gives as an answer, and makes pieces of it. */
final class Pieces {
  private Pieces() {}

  static List<Piece> text(String text) {
    return List.of(Piece.text(notEmpty(Objects.requireNonNull(text, "text"))));
  }

  static List<Piece> texts(String... texts) {
    return each("pieces", texts, text -> Piece.text(notEmpty(text)));
  }

  static List<Piece> thinking(String... texts) {
    return each("pieces", texts, text -> Piece.thinking(notEmpty(text)));
  }

  static List<Piece> toolCalls(ToolCall... calls) {
    return each("calls", calls, Piece::toolCall);
  }

  /** Returns names of models. */
  static List<String> models(String... names) {
    return each("models", names, name -> notEmpty("model", name));
  }

  private static <T, R> List<R> each(String field, T[] given, Function<T, R> make) {
    Objects.requireNonNull(given, field);
    if (given.length == 0) {
      throw new IllegalArgumentException(field + " must have at least one element, had none");
    }
    Stream<T> present = Arrays.stream(given).map(one -> Objects.requireNonNull(one, field));
    return present.map(make).toList();
  }

  private static String notEmpty(String text) {
    return notEmpty("text", text);
  }

  private static String notEmpty(String field, String text) {
    if (text.isEmpty()) {
      throw new IllegalArgumentException(field + " must not be empty");
    }
    return text;
  }
}
