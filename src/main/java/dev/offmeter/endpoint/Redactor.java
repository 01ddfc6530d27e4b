// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import dev.offmeter.wire.Failure;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Makes a server's words fit to be shown: known secrets and what looks like one are masked, and a
 * text that quotes the conversation is withheld whole.
 */
final class Redactor {
  private static final int LONGEST = 300;

  /** A value shorter than this is no secret, and masking it would blot out ordinary words. */
  private static final int SHORTEST = 4;

  /** So many characters in common with the conversation are no coincidence. */
  private static final int QUOTE = 16;

  /** A conversation beyond this is not searched; the message is withheld unread. */
  private static final int SEARCHED = 256 * 1024;

  /** White space, and what could steer a terminal that shows a log. */
  private static final Pattern UNPRINTABLE = Pattern.compile("[\\s\\p{Cc}\\p{Cf}]+");

  private static final Pattern LOOKS_SECRET =
      Pattern.compile(
          "(?i)\\b(bearer\\s+\\S+|cfast_\\w+|sk-[\\w-]{8,}|AIza[\\w-]{20,}|[0-9a-f]{40,})");

  private final List<String> secrets;
  private final List<String> conversation = new ArrayList<>();

  /** For the words of a server that was told nothing of a conversation. */
  Redactor(Collection<String> secrets) {
    // Folded like the message, or their own white space would hide them; the longest first, or a
    // short one would cut a piece out of it and so uncover the rest.
    this.secrets =
        secrets.stream()
            .map(Redactor::folded)
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
  }

  Redactor(Collection<String> secrets, ChatRequest request, CharSequence... answer) {
    this(secrets);
    for (Message message : request.messages()) {
      conversation.add(message.content());
      message.toolCalls().forEach(call -> conversation.add(call.arguments()));
    }
    for (CharSequence text : answer) {
      conversation.add(text.toString());
    }
  }

  Failure clean(Failure failure) {
    return failure.withMessage(clean(failure.message()));
  }

  /** The text if there is nothing in it to hide, else empty. */
  String innocent(String text) {
    return clean(text).equals(text) ? text : "";
  }

  private String clean(String message) {
    String text = folded(message);
    for (String known : secrets) {
      text = known.length() < SHORTEST ? text : text.replace(known, "***");
    }
    text = LOOKS_SECRET.matcher(text).replaceAll("***");
    text = text.length() <= LONGEST ? text : text.substring(0, LONGEST) + "...";
    return quotesConversation(text)
        ? "the server's message is withheld: it quotes the conversation"
        : text;
  }

  private static String folded(String text) {
    return UNPRINTABLE.matcher(text).replaceAll(" ").strip();
  }

  private boolean quotesConversation(String text) {
    int length = 0;
    for (String said : conversation) {
      length += said.length();
      if (length > SEARCHED || quotes(text, folded(said))) {
        return true;
      }
    }
    return false;
  }

  /** Whether the two have a run in common, or one holds the other whole, if that is short. */
  private static boolean quotes(String text, String said) {
    if (said.length() < QUOTE) {
      return said.length() >= QUOTE / 2 && text.contains(said);
    }
    for (int i = 0; i + QUOTE <= text.length(); i++) {
      if (said.contains(text.substring(i, i + QUOTE))) {
        return true;
      }
    }
    return false;
  }
}
