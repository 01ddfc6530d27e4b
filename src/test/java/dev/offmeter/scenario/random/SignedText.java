// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A text that says whom it is for, who wrote it, which of their texts it is and how long, so that
 * it cannot be cut, doubled, mixed or handed to another without that being seen.
 */
record SignedText(String caller, String endpoint, int serial, int words) {
  private static final Pattern HEAD = Pattern.compile("(\\S+)@(\\S+)#(\\d+)/(\\d+):");

  /** Returns the text as it is sent, piece by piece. */
  List<String> pieces() {
    List<String> pieces = new ArrayList<>();
    pieces.add(caller + "@" + endpoint + "#" + serial + "/" + words + ":");
    for (int word = 1; word <= words; word++) {
      pieces.add(" " + serial + "." + word + (word < words ? "ü" : "."));
    }
    return pieces;
  }

  String text() {
    return String.join("", pieces());
  }

  /**
   * Says what is wrong with a whole answer of {@code endpoint} to {@code caller}; empty if nothing.
   */
  static String findMistake(String text, String caller, String endpoint) {
    Matcher head = HEAD.matcher(text);
    if (!head.lookingAt()) {
      return "no whole text: '" + text + "'";
    }
    SignedText read = read(head);
    if (!read.caller.equals(caller) || !read.endpoint.equals(endpoint)) {
      return "somebody else's text: '" + text + "'";
    }
    return text.equals(read.text()) ? "" : "cut, doubled or mixed: '" + text + "'";
  }

  /**
   * Says what is wrong with the part of an answer that a broken stream had shown; empty if nothing.
   */
  static String findMistakeInPrefix(String text, String caller) {
    Matcher head = HEAD.matcher(text);
    boolean whole = head.lookingAt();
    boolean right =
        whole
            ? head.group(1).equals(caller) && read(head).text().startsWith(text)
            : text.startsWith(caller + "@") || (caller + "@").startsWith(text);
    return right ? "" : "no beginning of one answer: '" + text + "'";
  }

  private static SignedText read(Matcher head) {
    return new SignedText(
        head.group(1),
        head.group(2),
        Integer.parseInt(head.group(3)),
        Integer.parseInt(head.group(4)));
  }
}
