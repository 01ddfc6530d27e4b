// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts quotations out of a server's message. Servers repeat in their errors what they were sent and
 * what the model wrote, and only the rest is for an operator's eyes: Ollama's {@code error parsing
 * tool call: raw='...'}, llama-server's {@code messages = [...]} and {@code last read: '...'},
 * pydantic's {@code input_value=...}, Google's echo of a broken payload.
 *
 * <p>What is not known to be harmless is cut: better a short message than a customer's name.
 */
public final class QuotationStripper {
  /** Marks where something was cut. */
  private static final String CUT = "...";

  /** The characters of a message that are read; no server needs more to say what is wrong. */
  private static final int READ = 4096;

  /** Matches words behind which, with a colon or an equals sign, the rest is content. */
  private static final Pattern LEAD =
      Pattern.compile(
          "(?i)((?:\\b(?:raw|input(?:_value)?|prompt|content|text|body|payload|last read|got|received|"
              + "found|pos(?:ition)? \\d+|output|generat(?:ed|ion)|failed[_ ]generation|completion|"
              + "response|arguments?|args|values?|near|snippet|reply|answer|refusal|user|assistant|"
              + "string|float|int(?:eger)?|number|bool(?:ean)?|list|dict|literal|base \\d+|key(?:word)?|"
              + "character|element|tag|question|query|said|quote|parsing|decoding|reading|"
              + "unmarshal\\w*|(?:unknown|unexpected|invalid|no such) (?:tool|function|name|word)|"
              + "(?:json|document|data|tokens?|chunk|line)(?: \\d+)?|flagged(?:_input)?|(?:from|by) the model|"
              + "model (?:has )?(?:returned|produced|generated|written|wrote|said|answered))"
              + "(?: is| was)?[\"'`]?\\s{0,3}[:=])"
              + "|\\bmessages?\\s?=(?!\\s{0,3}[\"'\\[{(])"
              + "|(?:\\bbut|,) (?:got|received|found|saw)\\b)"
              + "(?!\\s{0,3}(?:field required|input should|input is too|extra inputs|string should|list should|"
              + "must |cannot |can't |should |at least|is required|too (?:long|short|many)|your prompt))"
              + "\\s*\\S");

  /** Matches the end of a server's own sentence before a quoted list of the conversation. */
  private static final Pattern LISTED =
      Pattern.compile(
          "(?i)\\b(?:messages?|tools?|functions?|contents?)\\s{0,3}[:=]\\s{0,3}[\"'\\[{(]");

  /** Matches an object, or a list of objects or texts. */
  private static final Pattern JSON = Pattern.compile("\\{|\\[\\s{0,8}[\"'\\[{]");

  /** Matches a tag: in a tool call in XML the model chooses the names of elements. */
  private static final Pattern TAG =
      Pattern.compile("<[^<>]{1,300}>(?:[^<>\\s,.;:)'\"][^<>]{0,4096})?");

  /** Matches the beginning of the model's own output: a call, a thought, a special token. */
  private static final Pattern OWN =
      Pattern.compile("(?i)<(?:tool_call|tool_response|think|function=|parameter=|invoke|\\|)");

  private static final Pattern PERSONAL =
      Pattern.compile(
          "[\\w.+-]{1,64}@[\\w-]{1,64}(?:\\.[\\w-]+){1,6}"
              + "|\\b[A-Z]{2}\\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\\b"
              + "|(?<![\\d.])\\+?\\d(?:[ -]?\\d){11,30}");

  /** Matches quotation marks as they are written in HTML, in JSON and in a URL. */
  private static final Pattern ENTITY =
      Pattern.compile(
          "&(?:quot|#0*34|#x0*22|apos|#0*39|#x0*27);|\\\\{1,8}u002[27]|%2[27]",
          Pattern.CASE_INSENSITIVE);

  /** Matches several marks in a row, which count as one. */
  private static final Pattern RUN =
      Pattern.compile("(['\"`])\\1{1,8}(?=\\w)|(?<=\\w)(['\"`])\\2{1,8}");

  /** Matches a mark that opens, and one that closes; an apostrophe within a word is neither. */
  private static final Pattern QUOTE =
      Pattern.compile(
          "(?<!\\w)'|'(?!\\w)|[\"`\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2039\u203a\u300c\u300e]");

  /**
   * Matches what reveals nothing of a conversation: the character that a parser met, a program's
   * flag.
   */
  private static final Pattern MARK =
      Pattern.compile("\\\\?[\\x21-\\x7e]{0,2}|--[a-z]{2,20}(?:-[a-z]{2,20}){0,4}");

  private static final Pattern NAME = Pattern.compile("[\\w./:@+-]{1,80}");

  /**
   * Matches what stands before the name of a model or of a setting, which an operator has chosen.
   */
  private static final Pattern NAMED =
      Pattern.compile(
          "(?i)\\b(?:model|models|model=|deployment|option|setting|field|parser)\\W{0,3}$");

  /** Matches what stands after the name of a model. */
  private static final Pattern MODEL =
      Pattern.compile("(?i)^\\W?\\s*(?:does not support|is not a valid model|is not available)");

  /** Matches the path of a field in a request, such as {@code messages[0].content}. */
  private static final Pattern PATH =
      Pattern.compile("[a-z_]+(?:\\[\\d{1,5}]|\\.[a-z_]+|\\.\\d{1,5}){0,20}");

  /** Names of fields in the requests to these servers. */
  private static final Set<String> FIELDS =
      Set.of(
          "model",
          "messages",
          "message",
          "role",
          "content",
          "contents",
          "parts",
          "text",
          "type",
          "name",
          "stream",
          "tools",
          "tool",
          "function",
          "functions",
          "parameters",
          "arguments",
          "inputs",
          "input",
          "stop",
          "seed",
          "temperature",
          "format",
          "think",
          "options",
          "truncate",
          "system",
          "user",
          "assistant",
          "developer",
          "schema",
          "json",
          "image",
          "images",
          "url",
          "body",
          "prompt",
          "logprobs",
          "metadata",
          "reasoning",
          "thinking",
          "grammar",
          "n",
          "id",
          "properties",
          "required",
          "items",
          "enum",
          "value",
          "auto",
          "none",
          "config",
          "query");

  private QuotationStripper() {}

  /** Returns the words without quotations. */
  static String cut(String words) {
    return cut(words, Set.of());
  }

  /**
   * Returns the words without quotations.
   *
   * @param known names that may stand in quotes: of the model and of the tools
   */
  public static String cut(String words, Set<String> known) {
    String read = words.length() > READ ? words.substring(0, READ) : words;
    // Marks first: any other cut could take the last of them, and the text before it would show.
    String text = withoutQuotes(marked(read), known);
    Matcher lead = LEAD.matcher(text);
    if (lead.find()) {
      text = text.substring(0, lead.end(1)) + " " + CUT;
    }
    text = endBefore(JSON, endBefore(OWN, endBefore(LISTED, text)));
    return PERSONAL.matcher(TAG.matcher(text).replaceAll("<" + CUT + ">")).replaceAll(CUT);
  }

  /** Returns the text with each quotation mark, of any kind, as a single one of one kind. */
  private static String marked(String text) {
    String plain = ENTITY.matcher(text).replaceAll("\"");
    return RUN.matcher(plain).replaceAll(run -> run.group().substring(0, 1));
  }

  private static String endBefore(Pattern content, String text) {
    Matcher found = content.matcher(text);
    return found.find() ? (text.substring(0, found.start()).strip() + " " + CUT).strip() : text;
  }

  /**
   * From the first quoted text that is more than a name, to the last mark of its kind: content may
   * hold such marks itself, so that no pair of them is to be relied on.
   */
  private static String withoutQuotes(String text, Set<String> known) {
    Matcher quote = QUOTE.matcher(text);
    int from = 0;
    while (quote.find(from)) {
      int open = quote.end();
      int close = closing(text, open, text.charAt(quote.start()));
      if (close < 0) {
        return isLoneMark(text, open) ? text : text.substring(0, open) + CUT;
      }
      if (!isHarmless(text, quote.start(), open, close, known)) {
        int last = Math.max(close, lastClosing(text, text.charAt(close)));
        String rest = text.substring(last);
        return text.substring(0, open) + CUT + (rest.length() > 1 ? cutRest(rest, known) : rest);
      }
      from = close + 1;
    }
    return text;
  }

  /** Strips the rest behind the last mark of one kind, which may be quoted by marks of another. */
  private static String cutRest(String rest, Set<String> known) {
    return rest.charAt(0) + withoutQuotes(rest.substring(1), known);
  }

  private static int closing(String text, int from, char open) {
    for (int i = from; i < text.length(); i++) {
      if (isClosing(text, i, open)) {
        return i;
      }
    }
    return -1;
  }

  private static boolean isClosing(String text, int at, char open) {
    char c = text.charAt(at);
    return switch (open) {
      case '\'', '\u2018' ->
          (c == '\'' || c == '\u2019')
              && (at + 1 == text.length() || !Character.isLetterOrDigit(text.charAt(at + 1)));
      case '\u201c', '\u201d', '\u201e', '\u201f' -> c >= '\u201c' && c <= '\u201f';
      case '\u00ab', '\u00bb' -> c == '\u00ab' || c == '\u00bb';
      case '\u2039', '\u203a' -> c == '\u2039' || c == '\u203a';
      case '\u300c' -> c == '\u300d';
      case '\u300e' -> c == '\u300f';
      default -> c == open;
    };
  }

  private static int lastClosing(String text, char mark) {
    return text.lastIndexOf(mark);
  }

  /** The genitive of a plural looks like a mark that opens or closes nothing. */
  private static boolean isLoneMark(String text, int open) {
    return open >= 2 && text.charAt(open - 1) == '\'' && Character.isLetter(text.charAt(open - 2));
  }

  private static boolean isHarmless(
      String text, int quote, int open, int close, Set<String> known) {
    String quoted = text.substring(open, close);
    if (quoted.endsWith("\\")) {
      quoted = quoted.substring(0, quoted.length() - 1);
    }
    if (MARK.matcher(quoted).matches() || known.contains(quoted) || isField(quoted)) {
      return true;
    }
    return NAME.matcher(quoted).matches()
        && (NAMED.matcher(text.substring(Math.max(0, quote - 20), quote)).find()
            || MODEL.matcher(text.substring(close + 1)).find());
  }

  private static boolean isField(String quoted) {
    if (quoted.length() > 80 || !PATH.matcher(quoted).matches()) {
      return false;
    }
    for (String part : quoted.split("[.\\[\\]]+", 0)) {
      boolean name = FIELDS.contains(part) || part.matches("[a-z]+(_[a-z]+){1,4}");
      if (!name && !part.matches("\\d{1,5}")) {
        return false;
      }
    }
    return true;
  }
}
