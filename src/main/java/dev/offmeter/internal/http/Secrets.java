// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds values that must never be shown, and their parts: the token behind a scheme, each cookie,
 * the two halves of a Basic login. Finds them in any case, escaped for JSON, HTML or a URL, and cut
 * short.
 */
final class Secrets {
  private static final String MASK = "***";

  /** A shorter value is no secret, and masking it would blot out ordinary words. */
  private static final int SHORTEST = 4;

  /** The length of a beginning or end of a secret that gives it away. */
  private static final int END = 8;

  /** The length of a run from the middle of a secret that gives it away. */
  private static final int RUN = 16;

  private static final Pattern ESCAPED =
      Pattern.compile(
          "\\\\+u([0-9a-fA-F]{4})|\\\\+x([0-9a-fA-F]{2})|\\\\+([nrtbf])|\\\\+"
              + "|%(?:25)*([0-9a-fA-F]{2})|&(?:amp;)*#(\\d{1,7});|&(?:amp;)*#[xX]([0-9a-fA-F]{1,6});"
              + "|&(?:amp;)*([A-Za-z]{2,6});|[+\\s]");

  private static final Map<String, String> ENTITIES =
      Map.ofEntries(
          Map.entry("amp", "&"),
          Map.entry("lt", "<"),
          Map.entry("gt", ">"),
          Map.entry("quot", "\""),
          Map.entry("apos", "'"),
          Map.entry("sol", "/"),
          Map.entry("equals", "="),
          Map.entry("colon", ":"),
          Map.entry("period", "."),
          Map.entry("comma", ","),
          Map.entry("semi", ";"),
          Map.entry("num", "#"),
          Map.entry("commat", "@"),
          Map.entry("excl", "!"),
          Map.entry("dollar", "$"),
          Map.entry("percnt", "%"),
          Map.entry("ast", "*"),
          Map.entry("lowbar", "_"),
          Map.entry("lpar", "("),
          Map.entry("rpar", ")"));

  /** Separates the parts of a value: words, cookies, the parameters of a scheme. */
  private static final Pattern PARTED = Pattern.compile("[\\s,;]+");

  private static final Pattern BASIC = Pattern.compile("(?i)basic\\s+([A-Za-z0-9+/_=-]+)");
  private static final Pattern WORD = Pattern.compile("[A-Za-z]?[a-z]*");
  private static final Pattern WEB = Pattern.compile("https?://.*");

  private final List<String> forms;

  Secrets(Collection<String> values) {
    Set<String> all = new LinkedHashSet<>();
    for (String value : values) {
      addParts(value.strip(), all);
    }
    this.forms =
        all.stream()
            .map(value -> Flat.of(value).text)
            .filter(form -> form.length() >= SHORTEST)
            .distinct()
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
  }

  private static void addParts(String value, Set<String> all) {
    all.add(value);
    Matcher basic = BASIC.matcher(value);
    if (basic.matches()) {
      addLogin(basic.group(1), all);
    }
    String[] parts = PARTED.split(value, 0);
    for (int i = 0; i < parts.length; i++) {
      String part = parts[i];
      int named = part.indexOf('=');
      String inner = named < 0 ? "" : unquoted(part.substring(named + 1));
      if (!inner.replace("=", "").isEmpty()) {
        all.add(inner);
      }
      boolean token = i > 0 && (parts.length == 2 || part.length() >= END);
      if (token && !WORD.matcher(part).matches()) {
        all.add(unquoted(part));
      }
    }
  }

  private static String unquoted(String text) {
    boolean quoted = text.length() > 1 && text.startsWith("\"") && text.endsWith("\"");
    return quoted ? text.substring(1, text.length() - 1) : text;
  }

  private static void addLogin(String coded, Set<String> all) {
    all.add(coded);
    try {
      byte[] bytes = Base64.getDecoder().decode(coded.replace('-', '+').replace('_', '/'));
      String login = new String(bytes, StandardCharsets.UTF_8);
      int colon = login.indexOf(':');
      all.add(login);
      all.add(login.substring(0, Math.max(0, colon)));
      all.add(login.substring(colon + 1));
    } catch (IllegalArgumentException e) {
      // Not Base64, and so not a login: the value is masked as a whole.
    }
  }

  /** Returns the text with each secret masked, whole or cut short. */
  String masked(String text) {
    if (forms.isEmpty()) {
      return text;
    }
    Flat flat = Flat.of(text);
    boolean[] hidden = new boolean[flat.text.length()];
    boolean any = false;
    for (String secret : forms) {
      any |= hide(secret, flat.text, hidden);
    }
    return any ? flat.masked(text, hidden) : text;
  }

  private static boolean hide(String secret, String text, boolean[] hidden) {
    boolean any = false;
    int least = Math.min(secret.length(), END);
    for (int at = 0; at + least <= text.length(); at++) {
      int length = shared(secret, text, at);
      for (int i = at; i < at + length; i++) {
        hidden[i] = true;
      }
      any |= length > 0;
      at += Math.max(0, length - 1);
    }
    return any;
  }

  /**
   * Returns how much of a secret begins at this place of the text, 0 for too little to give it
   * away.
   */
  private static int shared(String secret, String text, int at) {
    if (secret.length() <= END || WEB.matcher(secret).matches()) {
      return text.startsWith(secret, at) ? secret.length() : 0;
    }
    String run = text.substring(at, at + END);
    int longest = 0;
    for (int from = secret.indexOf(run); from >= 0; from = secret.indexOf(run, from + 1)) {
      int length = END;
      while (from + length < secret.length()
          && at + length < text.length()
          && secret.charAt(from + length) == text.charAt(at + length)) {
        length++;
      }
      boolean end = from == 0 || from + length == secret.length();
      longest = end || length >= RUN ? Math.max(longest, length) : longest;
    }
    return longest;
  }

  /**
   * Holds a text unescaped, in lower case and without white space, with the position in the
   * original from which each character came.
   */
  private static final class Flat {
    private final String text;
    private final int[] starts;
    private final int[] ends;

    private Flat(String text, int[] starts, int[] ends) {
      this.text = text;
      this.starts = starts;
      this.ends = ends;
    }

    static Flat of(String raw) {
      StringBuilder text = new StringBuilder(raw.length());
      int[] starts = new int[raw.length()];
      int[] ends = new int[raw.length()];
      Matcher escaped = ESCAPED.matcher(raw);
      boolean more = escaped.find();
      for (int at = 0; at < raw.length(); ) {
        boolean here = more && escaped.start() == at;
        int end = here ? escaped.end() : at + 1;
        int character = here ? unescaped(escaped) : raw.charAt(at);
        if (character > 0) {
          starts[text.length()] = at;
          ends[text.length()] = end;
          text.append(Character.toLowerCase((char) character));
        }
        at = end;
        more = here ? escaped.find() : more;
      }
      return new Flat(text.toString(), starts, ends);
    }

    /** Returns the unescaped character, 0 for none. */
    private static int unescaped(Matcher escaped) {
      for (int group : new int[] {1, 2, 4, 6}) {
        if (escaped.group(group) != null) {
          return visible(Integer.parseInt(escaped.group(group), 16));
        }
      }
      if (escaped.group(5) != null) {
        return visible(Integer.parseInt(escaped.group(5)));
      }
      String name = escaped.group(7);
      return name == null
          ? 0
          : ENTITIES.getOrDefault(name.toLowerCase(Locale.ROOT), "\0").charAt(0);
    }

    /** Returns the character if it is visible ASCII, as a header's are, else 0. */
    private static int visible(int character) {
      return character <= ' ' || character > '~' || character == '\\' || character == '+'
          ? 0
          : character;
    }

    String masked(String raw, boolean[] hidden) {
      StringBuilder shown = new StringBuilder(raw.length());
      int from = 0;
      for (int i = 0; i < text.length(); i++) {
        if (hidden[i]) {
          if (i == 0 || !hidden[i - 1]) {
            shown.append(raw, from, starts[i]).append(MASK);
          }
          from = ends[i];
        }
      }
      return shown.append(raw, from, raw.length()).toString();
    }
  }
}
