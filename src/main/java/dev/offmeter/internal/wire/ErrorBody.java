// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.offmeter.internal.json.Json;
import java.util.Iterator;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Holds what the body of an error says, whatever its shape: {@code {"error":"text"}}, {@code
 * {"error":{"message":…,"type":…}}}, either of them as JSON inside the error string (Ollama 0.30
 * and later forwards its engine's errors so) or behind a few words (LiteLLM), the same in an array
 * of one (Gemini), {@code {"error":"text","error_type":"overloaded"}} (TGI), {@code
 * {"object":"error","message":…}} (older vLLM), the lists of FastAPI and of Cloudflare's Workers
 * AI, or RFC 9457 fields. {@link ErrorClassifier} decides what the error means.
 *
 * @param json whether the body was JSON with an error in it
 * @param message the text, empty if there was none
 * @param type the error's type, or Google's {@code status}; empty if there was neither
 * @param code the error's code, in digits or words; empty if there was none
 */
record ErrorBody(boolean json, String message, String type, String code) {
  /** Fields in which frameworks put their message, the most specific first. */
  private static final String[] FIELDS = {
    "message",
    "detail",
    "msg",
    "error_msg",
    "error_message",
    "errorMessage",
    "errors",
    "error",
    "title"
  };

  private static final ErrorBody NONE = new ErrorBody(false, "", "", "");

  /** The type of a list of validation errors, each of which has a type of its own. */
  private static final String VALIDATION = "validation_error";

  /** The most characters before an error in JSON that was forwarded. */
  private static final int LONGEST_LEAD = 200;

  /**
   * Reason phrases that frameworks put into {@code error} beside a {@code message} that says more.
   */
  private static final Pattern REASON_PHRASE =
      Pattern.compile(
          "(?i)bad request|not found|forbidden|unauthorized|unprocessable \\w+|not implemented|"
              + "internal server error|service unavailable|bad gateway|gateway timeout|"
              + "too many requests|payload too large|content too large|conflict");

  /** Matches the source of the chat template that llama-server prints before the error in it. */
  private static final Pattern TEMPLATE_SOURCE =
      Pattern.compile("(?s)^.{0,40}While executing .{0,3000}\\bError: (?=\\S)");

  /** Matches an error as Python prints it, which LiteLLM forwards. */
  private static final Pattern PRINTED =
      Pattern.compile(
          "(?s)^[^{]{0,80}\\{'(?:error': \\{'message|error|detail)': (['\"])(.{1,2000}?)\\1[,}].*");

  static ErrorBody parse(String body) {
    String trimmed = body.strip();
    boolean looksLikeJson = trimmed.startsWith("{") || trimmed.startsWith("[");
    return looksLikeJson ? of(Json.tree(trimmed)) : NONE;
  }

  static ErrorBody of(JsonNode tree) {
    JsonNode node = tree.isArray() && tree.size() == 1 ? tree.get(0) : tree;
    if (!node.isObject()) {
      return NONE;
    }
    JsonNode error = node.path("error");
    if (error.isTextual()) {
      String other = node.path("message").asText("");
      boolean phrase = !other.isEmpty() && REASON_PHRASE.matcher(error.asText()).matches();
      String type = node.path("error_type").asText("");
      return unwrapped(phrase ? other : error.asText(), type, code(node));
    }
    if (error.isObject()) {
      return described(error);
    }
    if (error.isArray()) {
      return listed(error, "", code(node));
    }
    ErrorBody own = described(node);
    // A status alone also occurs in replies without an error.
    return own.message().isEmpty() && !node.path("type").isTextual() ? NONE : own;
  }

  /** Parses an error's text, which may be JSON once more. */
  static ErrorBody ofText(String text) {
    JsonNode quoted = text.startsWith("\"") ? Json.tree(text) : MissingNode.getInstance();
    return unwrapped(quoted.toString().equals(text) ? quoted.asText() : text, "", "");
  }

  /** Returns an error of plain text, without JSON. */
  static ErrorBody ofPlain(String text) {
    return new ErrorBody(false, text, "", "");
  }

  private static ErrorBody unwrapped(String text, String type, String code) {
    int at = text.indexOf('{');
    if (at > LONGEST_LEAD) {
      return new ErrorBody(true, text, type, code);
    }
    int start = at > 0 && text.charAt(at - 1) == '[' ? at - 1 : at;
    ErrorBody inner = start < 0 ? NONE : parse(passedOn(text.substring(start)));
    if (!inner.json()) {
      String message = TEMPLATE_SOURCE.matcher(printed(text)).replaceFirst("");
      return new ErrorBody(true, ValidationErrors.ofPrinted(message), type, code);
    }
    String lead = text.substring(0, start).strip();
    return new ErrorBody(
        true,
        lead.isEmpty() ? inner.message() : lead + " " + inner.message(),
        inner.type().isEmpty() ? type : inner.type(),
        inner.code().isEmpty() ? code : inner.code());
  }

  private static String printed(String text) {
    Matcher printed = PRINTED.matcher(text);
    return printed.matches() ? printed.group(2) : text;
  }

  /** Returns the JSON of a forwarded error, which may have words before and behind it. */
  private static String passedOn(String text) {
    int end = text.lastIndexOf(text.startsWith("[") ? ']' : '}');
    return end < 0 ? "" : text.substring(0, end + 1);
  }

  private static ErrorBody described(JsonNode node) {
    String type = node.path("type").asText(node.path("error_type").asText(""));
    String code = code(node);
    for (String field : FIELDS) {
      ErrorBody inner = ofValue(node.path(field), type, code);
      if (inner.json() && !inner.message().isEmpty()) {
        return passedOnBy(node, status(inner, node));
      }
    }
    String odd = oddlyNamed(node);
    boolean some = !type.isEmpty() || !odd.isEmpty();
    return status(new ErrorBody(some, odd, type, code), node);
  }

  private static ErrorBody ofValue(JsonNode value, String type, String code) {
    if (value.isTextual()) {
      return unwrapped(value.asText(), type, code);
    }
    if (value.isArray()) {
      return listed(value, type, code);
    }
    return value.isObject() ? described(value) : NONE;
  }

  private static ErrorBody listed(JsonNode list, String type, String code) {
    String details = ValidationErrors.of(list);
    boolean validation = list.path(0).has("loc") || list.path(0).has("msg");
    if (validation && !details.isEmpty()) {
      return new ErrorBody(true, details, VALIDATION, code);
    }
    return ofValue(list.path(0), type, code);
  }

  /** Returns the provider's error if OpenRouter forwards one; its own message then says nothing. */
  private static ErrorBody passedOnBy(JsonNode node, ErrorBody own) {
    JsonNode raw = node.path("metadata").path("raw");
    ErrorBody inner = raw.isTextual() ? parse(raw.asText()) : NONE;
    boolean nothing = own.message().startsWith("Provider returned error");
    return nothing && inner.json() && !inner.message().isEmpty() ? inner : own;
  }

  /** Uses Google's {@code status}, which is a word, as the type. */
  private static ErrorBody status(ErrorBody error, JsonNode node) {
    String status = node.path("status").isTextual() ? node.path("status").asText() : "";
    return error.type().isEmpty()
        ? new ErrorBody(error.json() || !status.isEmpty(), error.message(), status, error.code())
        : error;
  }

  private static String code(JsonNode node) {
    for (String field : new String[] {"code", "statusCode", "status_code"}) {
      String code = node.path(field).asText("");
      if (!code.isEmpty() && !code.equals("null")) {
        return code;
      }
    }
    JsonNode status = node.path("status");
    return status.isInt() && status.asInt() >= 400 ? status.asText() : "";
  }

  /**
   * Returns a message that is the name of a field, as from Ollama 0.11: {@code "error parsing tool
   * call"}.
   */
  private static String oddlyNamed(JsonNode node) {
    Iterator<String> names = node.fieldNames();
    while (names.hasNext()) {
      String name = names.next();
      if (name.startsWith("error ") && node.path(name).isTextual()) {
        return name + ": " + node.path(name).asText();
      }
    }
    return "";
  }

  boolean isOneOf(Set<String> names) {
    return names.contains(type.toLowerCase(Locale.ROOT))
        || names.contains(code.toLowerCase(Locale.ROOT));
  }
}
