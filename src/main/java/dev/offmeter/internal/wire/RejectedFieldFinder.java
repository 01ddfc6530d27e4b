// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.internal.json.Json;
import dev.offmeter.internal.wire.OmissibleField.Use;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Finds the field that a server refuses by name. Servers use the words of the library that
 * validates their requests: pydantic ({@code extra_forbidden} with a {@code loc}), Go and serde
 * ({@code unknown field "x"}), Google ({@code Unknown name "x"}), OpenAI ({@code Unsupported
 * parameter: 'x'}, {@code Unrecognized request argument supplied: x}), JSON Schema, zod, Python's
 * keyword arguments.
 */
final class RejectedFieldFinder {
  private static final Set<Integer> STATUSES = Set.of(200, 400, 406, 409, 412, 415, 422, 500, 501);

  private static final Set<String> CODES =
      Set.of(
          "extra_forbidden",
          "value_error.extra",
          "unknown_parameter",
          "unsupported_parameter",
          "unsupported_value",
          "unknown_field",
          "unrecognized_keys",
          "additionalproperties");

  /** Fields in which a server names the refused field beside its message. */
  private static final List<String> PLACES =
      List.of("param", "loc", "field", "parameter", "keys", "path", "additionalProperty");

  /** Fields in which it may quote the request, and so all of the request's fields. */
  private static final Set<String> QUOTES = Set.of("input", "ctx", "body", "request", "url");

  private static final String THING =
      "(?:request |keyword |input |json )?"
          + "(?:argument|parameter|param|field|name|key|property|properties|option|value|input)"
          + "(?:s|\\(s\\))?(?: supplied| provided| in object| in body| in request)?";

  /** Matches words before a name, which may be one of several. */
  private static final String BEFORE =
      "(?:(?:unknown|unrecogni[sz]ed|unsupported|unexpected|extra|extraneous|additional) "
          + THING
          + "|(?:does not|doesn't|do not) support(?: the)?(?: following)?(?: "
          + THING
          + ")?|not (?:permitted|allowed|supported)[,:;.]? "
          + THING
          + ")[:=]?\\W{0,4}(?:\\w+\\W{2,4}){0,3}";

  private static final String AFTER =
      "\\W{0,6}(?:(?:field|parameter|argument|option|is|are|was|were|has been|of type \\w+|value)"
          + "\\W{1,3}){0,3}(?:extra (?:inputs|fields)(?: are)? not (?:permitted|allowed)"
          + "|not (?:yet |currently )?(?:supported|permitted|allowed|enabled|available|accepted"
          + "|recogni[sz]ed|implemented|a valid)|unsupported|unexpected|unknown|unrecogni[sz]ed"
          + "|forbidden|deprecated|no longer supported|does not support|doesn't support"
          + "|cannot (?:both )?be (?:used|set|specified))";

  /** Matches a wrong value, which counts as a refusal if the library set the value. */
  private static final String WRONG_VALUE = "\\W{0,4}(?:must be|should be|has to be|is invalid)";

  /** Matches the refusal of a model that takes one value only, its own. */
  private static final Pattern FIXED =
      Pattern.compile(
          "only (?:the default )?\\(?[\\d.]+\\)? (?:value )?(?:is|are) (?:allowed|supported|accepted)"
              + "|only supports? (?:the default|[\\d.]+)|(?:may|can) only be (?:set to )?[\\d.]+");

  /** Matches words of which one is enough beside an unmistakable name. */
  private static final Pattern COMPLAINT =
      Pattern.compile(
          "\\b(?:not|no|cannot|can't|doesn't|un\\w+|invalid|illegal|extra|forbidden|disallowed|deprecated)\\b"
              + "|不支持|未知|无效|不允许");

  /** Matches the words before the list of what the server would accept instead. */
  private static final Pattern LIST =
      Pattern.compile(
          "(?:expected|must be|should be) one of|\\b(?:known|valid|allowed|supported) \\w+");

  /** Matches a server that accepts the field, but not this value of it. */
  private static final Pattern OUT_OF_RANGE =
      Pattern.compile(
          "must be|should be|between|less than|greater than|at most|at least|too large|too small"
              + "|range|maximum|minimum|exceed");

  private record Complaint(String code, String place, String words) {}

  private RejectedFieldFinder() {}

  /** Returns those of {@code fields} that the reply refuses. */
  static List<OmissibleField> in(ErrorResponse reply, List<OmissibleField> fields) {
    if (!STATUSES.contains(reply.status()) || fields.isEmpty()) {
      return List.of();
    }
    List<Complaint> complaints = new ArrayList<>();
    collect(reply.body(), complaints);
    return complaints.stream()
        .flatMap(complaint -> fields.stream().filter(field -> isRefused(field, complaint)))
        .distinct()
        .toList();
  }

  private static void collect(String text, List<Complaint> complaints) {
    String body = text.strip();
    if (body.startsWith("{") || body.startsWith("[")) {
      JsonNode tree = Json.tree(body);
      if (tree.isContainerNode()) {
        collect(tree, complaints);
        return;
      }
    }
    complaints.add(new Complaint("", "", lowerCase(body)));
  }

  private static void collect(JsonNode node, List<Complaint> complaints) {
    if (node.isObject()) {
      String code = node.path("code").asText("") + " " + node.path("type").asText("");
      complaints.add(new Complaint(lowerCase(code), place(node), ""));
    }
    for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!QUOTES.contains(name)) {
        collectValue(node.path(name), complaints);
      }
    }
    if (node.isArray()) {
      node.forEach(item -> collectValue(item, complaints));
    }
  }

  private static void collectValue(JsonNode value, List<Complaint> complaints) {
    if (value.isTextual()) {
      collect(value.asText(), complaints);
    } else {
      collect(value, complaints);
    }
  }

  private static String place(JsonNode node) {
    String place =
        PLACES.stream()
            .map(node::get)
            .filter(found -> found != null && !found.isObject())
            .map(found -> found.isArray() ? found.toString() : found.asText())
            .collect(Collectors.joining(" "));
    return node.has("additionalProperty") ? place + " additionalproperties" : place;
  }

  private static boolean isRefused(OmissibleField field, Complaint complaint) {
    boolean ours = field.use() == Use.OURS;
    String place = lowerCase(complaint.place());
    if (!place.isEmpty() && isNamed(field.name(), place)) {
      boolean unknown =
          CODES.stream().anyMatch(complaint.code()::contains)
              || place.contains("additionalproperties");
      return unknown || (ours && !complaint.code().isBlank());
    }
    String words = complaint.words();
    if (ours && isUnmistakable(field.name()) && isComplaint(words, lowerCase(field.name()))) {
      return true;
    }
    return Stream.concat(Stream.of(field.name()), field.otherNames().stream())
        .map(RejectedFieldFinder::lowerCase)
        .filter(words::contains)
        .anyMatch(name -> isRefused(name, ours, words));
  }

  /** Returns whether the name is not a word of any language. */
  private static boolean isUnmistakable(String name) {
    return name.contains("_") || !name.equals(lowerCase(name));
  }

  private static boolean isComplaint(String words, String name) {
    String before = LIST.split(words, 2)[0];
    return isNamed(name, before) && COMPLAINT.matcher(before).find();
  }

  private static boolean isNamed(String name, String place) {
    return Pattern.compile("\\b" + Pattern.quote(lowerCase(name)) + "\\b").matcher(place).find();
  }

  private static boolean isRefused(String name, boolean ours, String words) {
    if (!ours && FIXED.matcher(words).find()) {
      return isNamed(name, words);
    }
    if (!ours && OUT_OF_RANGE.matcher(words).find()) {
      return false;
    }
    String named = "(?<!\\w)" + Pattern.quote(name) + "(?!\\w)";
    String after = ours ? "(?:" + AFTER + "|" + WRONG_VALUE + ")" : AFTER;
    return Pattern.compile(BEFORE + named + "|" + named + after).matcher(words).find();
  }

  private static String lowerCase(String text) {
    return text.toLowerCase(Locale.ROOT);
  }
}
