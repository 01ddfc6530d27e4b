// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.QuotationStripper;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes text that came from outside fit to be shown. All of it passes here: known secrets and what
 * looks like one are masked, quotations are cut out, and a message that still shares a run with the
 * conversation is withheld as a whole.
 */
final class Redactor {
  private static final int LONGEST = 300;

  /**
   * The length of a run shared with the conversation that is no coincidence, in letters and digits.
   */
  private static final int QUOTE = 16;

  /** A longer conversation is not searched; the message is withheld instead. */
  private static final int SEARCHED = 256 * 1024;

  /** The characters of a message that are searched for quoted text. */
  private static final int MAX_SEARCHED_CHARS = 4096;

  /** The characters of a message that are read; they are masked first and then cut again. */
  private static final int MAX_MESSAGE_CHARS = 2 * MAX_SEARCHED_CHARS;

  private static final int LONGEST_TITLE = 120;

  /**
   * Matches white space, control and format characters that could steer a terminal or mislead the
   * eye, and non-characters.
   */
  private static final Pattern UNPRINTABLE =
      Pattern.compile("[\\s\\p{Cc}\\p{Cf}\\p{Co}\\p{Cn}\\p{Cs}\\p{Zl}\\p{Zp}]+");

  private static final Pattern LOOKS_SECRET =
      Pattern.compile(
          "(?i)\\b(bearer\\s+\\S+|cfast_\\w+|sk-[\\w-]{8,}|AIza[\\w-]{20,}|[0-9a-f]{40,})");

  /** Matches an image in base64, or a piece of one. */
  private static final Pattern IMAGE =
      Pattern.compile("(?i)base64, ?[\\w+/=]+|[A-Za-z0-9+/]{" + 2 * QUOTE + ",}=*");

  /** Matches the library's own message with the title of a page; the requested path may follow. */
  private static final Pattern TITLED =
      Pattern.compile("an HTML page titled \"(.*)\"( \\(asked for \\S+\\))?");

  /**
   * Matches an exception in the title of a framework's debug page, and all behind it, which may
   * quote the request.
   */
  private static final Pattern EXCEPTION = Pattern.compile("(\\w*(?:Error|Exception))\\b.*");

  /** Keywords of JSON Schema that are long enough to be taken for a quotation. */
  private static final Set<String> STANDARD =
      Set.of(
          "additionalItems",
          "additionalProperties",
          "contentEncoding",
          "contentMediaType",
          "contentSchema",
          "definitions",
          "dependencies",
          "dependentRequired",
          "dependentSchemas",
          "deprecated",
          "description",
          "exclusiveMaximum",
          "exclusiveMinimum",
          "maxContains",
          "maxProperties",
          "minContains",
          "minProperties",
          "multipleOf",
          "patternProperties",
          "prefixItems",
          "properties",
          "propertyNames",
          "readOnly",
          "required",
          "unevaluatedItems",
          "unevaluatedProperties",
          "uniqueItems",
          "writeOnly",
          "date-time");

  /** Stands in text that was decoded from binary content. */
  private static final String NO_TEXT = "\ufffd\ufffd";

  private final Secrets secrets;
  private final Set<String> known;
  private final List<CharSequence> conversation = new ArrayList<>();

  /** Whether the server may quote an image. */
  private boolean images;

  /** Creates a redactor for a server that has seen no conversation. */
  Redactor(Collection<String> secrets) {
    this(secrets, Set.of());
  }

  private Redactor(Collection<String> secrets, Set<String> known) {
    this.secrets = new Secrets(secrets);
    this.known = known;
  }

  /**
   * Creates a redactor for a server that knows a conversation.
   *
   * @param model the endpoint's model, which may be named
   * @param options texts in the endpoint's options, such as a grammar
   * @param heard the answer so far
   */
  Redactor(
      Collection<String> secrets,
      String model,
      ChatRequest request,
      List<String> options,
      List<CharSequence> heard) {
    this(secrets, names(model, request));
    addConversation(request);
    conversation.addAll(options);
    conversation.addAll(heard);
  }

  /** Adds all texts of the caller's; the names of tools are not content. */
  private void addConversation(ChatRequest request) {
    for (Message message : request.messages()) {
      conversation.add(message.content());
      images |= !message.images().isEmpty();
      message.toolCalls().forEach(call -> conversation.add(call.arguments()));
    }
    for (ChatRequest.Tool tool : request.tools()) {
      conversation.add(tool.description());
      addSchema(tool.schema());
    }
    request.answerSchema().ifPresent(this::addSchema);
    conversation.addAll(request.stop());
  }

  /** Adds the words of a schema that are the caller's own and not the standard's. */
  private void addSchema(String schema) {
    int open = schema.indexOf('"');
    while (open >= 0) {
      int close = open + 1;
      while (close < schema.length() && schema.charAt(close) != '"') {
        close += schema.charAt(close) == '\\' ? 2 : 1;
      }
      String text = schema.substring(open + 1, Math.min(close, schema.length()));
      if (!STANDARD.contains(text)) {
        conversation.add(text);
      }
      open = schema.indexOf('"', close + 1);
    }
  }

  private static Set<String> names(String model, ChatRequest request) {
    Set<String> names = new HashSet<>();
    names.add(model);
    request.tools().forEach(tool -> names.add(tool.name()));
    return names;
  }

  AttemptException redact(AttemptException failure) {
    return failure.withMessage(
        failure.isTold() ? redact(failure.message()) : shortened(ownMessage(failure.message())));
  }

  /**
   * Returns the name if there is nothing in it to hide, else the empty text. Every answer has one,
   * so it is only compared with the conversation verbatim.
   */
  String harmless(String name) {
    boolean plain =
        masked(folded(name)).equals(name) && QuotationStripper.cut(name, known).equals(name);
    return plain && conversation.stream().noneMatch(said -> isOf(name, said)) ? name : "";
  }

  private static boolean isOf(String name, CharSequence said) {
    if (name.length() < QUOTE / 2) {
      return false;
    }
    return said.length() > SEARCHED || EscapedTextFinder.isContained(name, said.toString(), QUOTE);
  }

  /**
   * Masks secrets in the library's own message. That quotes no conversation, but may hold the value
   * of a setting.
   */
  private String ownMessage(String message) {
    return masked(folded(message));
  }

  private String redact(String message) {
    String text = masked(folded(shortened(message, MAX_MESSAGE_CHARS)));
    if (text.contains(NO_TEXT)) {
      return "the server's message is withheld: it is not text";
    }
    String shown = cut(text);
    if (!isSearchable()) {
      return "the server's message is withheld: the conversation is too long to be searched for it";
    }
    if (hasQuoteOfConversation(text, shown)) {
      return "the server's message is withheld: it quotes the conversation";
    }
    return shortened(shown);
  }

  private String masked(String folded) {
    String text = secrets.masked(folded);
    String shown = LOOKS_SECRET.matcher(text).replaceAll("***");
    return images ? IMAGE.matcher(shown).replaceAll("***") : shown;
  }

  private String cut(String text) {
    Matcher titled = TITLED.matcher(text);
    if (!titled.matches()) {
      return QuotationStripper.cut(text, known);
    }
    String title = EXCEPTION.matcher(titled.group(1)).replaceFirst("$1 ...");
    String path = titled.group(2) == null ? "" : titled.group(2);
    String shown = shortened(QuotationStripper.cut(title, known), LONGEST_TITLE);
    return "an HTML page titled \"" + shown + "\"" + path;
  }

  private static String shortened(String text) {
    return text.length() <= LONGEST ? text : shortened(text, LONGEST) + "...";
  }

  private static String shortened(String text, int length) {
    if (text.length() <= length) {
      return text;
    }
    boolean half = Character.isHighSurrogate(text.charAt(length - 1));
    return text.substring(0, half ? length - 1 : length);
  }

  private static String folded(String text) {
    return UNPRINTABLE.matcher(text).replaceAll(" ").strip();
  }

  private boolean hasQuoteOfConversation(String text, String shown) {
    if (conversation.isEmpty()) {
      return false;
    }
    // Compared a little beyond what is shown, since a quotation may be cut at either end.
    String near = shortened(shown, LONGEST + 2 * QUOTE);
    List<String> seen =
        EscapedTextFinder.withEdges(shortened(text, MAX_SEARCHED_CHARS), near, QUOTE);
    for (CharSequence said : conversation) {
      String plain = EscapedTextFinder.plain(said.toString());
      if (seen.stream().anyMatch(part -> EscapedTextFinder.isContained(part, plain, QUOTE))) {
        return true;
      }
    }
    return false;
  }

  private boolean isSearchable() {
    return conversation.stream().mapToLong(CharSequence::length).sum() <= SEARCHED;
  }
}
