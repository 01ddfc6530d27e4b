// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** Recognizes words in place of a key. */
public final class Placeholders {
  private static final Pattern TO_FILL_IN =
      Pattern.compile(
          "(?i)(please[-_ ]?)?(change|replace|edit|fill)[-_ ]?(me|this|it|in)?"
              + "|(your|insert|enter|paste|add|put)([-_ ].*)?[-_ ](key|token|secret|password)"
              + "([-_ ].*)?|(sk-)?(x{3,}|\\*{3,}|\\.{3,}|\u2026)|to-?do|tbd|fixme|redacted"
              + "|(sk-)?your[-_].*|<.*>");

  /**
   * Words for no key, as letters and digits alone. Programs require a value, and a server without a
   * key ignores any.
   */
  private static final Set<String> NO_KEY =
      Set.of(
          "any",
          "anything",
          "anykey",
          "anyvalue",
          "apikey",
          "blank",
          "default",
          "dummy",
          "dummyapikey",
          "dummykey",
          "dummytoken",
          "dummyvalue",
          "empty",
          "example",
          "fake",
          "fakeapikey",
          "fakekey",
          "false",
          "foo",
          "foobar",
          "ignore",
          "ignored",
          "irrelevant",
          "key",
          "llamacpp",
          "lmstudio",
          "local",
          "localai",
          "localhost",
          "localkey",
          "localonly",
          "na",
          "nil",
          "noapikey",
          "noapikeyneeded",
          "noapikeyrequired",
          "noauth",
          "nokey",
          "nokeyneeded",
          "nokeyrequired",
          "none",
          "noneneeded",
          "nonerequired",
          "notapplicable",
          "notneeded",
          "notrequired",
          "notused",
          "nothing",
          "null",
          "ollama",
          "placeholder",
          "string",
          "unneeded",
          "unused",
          "vllm");

  /** Keys from common examples: a server may require one, but none of them is a secret. */
  private static final Set<String> EXAMPLES =
      Set.of("1234", "12345", "123456", "abc", "abc123", "key123", "test", "testkey", "token");

  private Placeholders() {}

  /** Returns whether a person should have replaced the value by a key. */
  static boolean isUnfilled(String value) {
    return TO_FILL_IN.matcher(value.strip()).matches();
  }

  /** Returns whether the value says that there is no key, or none yet. */
  public static boolean isNoKey(String value) {
    String word = word(value);
    return word.isEmpty() || isUnfilled(value) || NO_KEY.contains(word);
  }

  /** Returns whether the value is a key from common examples. */
  public static boolean isExample(String value) {
    return EXAMPLES.contains(word(value));
  }

  private static String word(String value) {
    return value.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", "").replaceFirst("^sk(?=.)", "");
  }
}
