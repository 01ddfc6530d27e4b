// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The body of a follow-up: what a model is asked for, and the template that does without one. */
final class Letter {
  static final String SENDER = "Accounts, Example Ltd";

  /** The name of the endpoint that needs no model. */
  static final String TEMPLATE = "template";

  private static final String TASK =
      """
      You write payment follow-up emails for %s, in English. Use only the facts you are given. \
      Tone "polite": friendly, assumes an oversight. Tone "firm": serious and courteous, asks for \
      payment within seven days; never threatens. At most 120 words. Reply with the body only: \
      from "Dear ..." to "Kind regards," and the line "%s". No subject line, no notes, no \
      markdown, no placeholders such as [Name] or [Date]."""
          .formatted(SENDER, SENDER);

  private static final String POLITE =
      """
      Dear {customer},

      Invoice {invoice} for {amount} ({service}) was due on {due}, and we have not seen your \
      payment yet. Perhaps it has slipped through.

      If it is already on its way, please disregard this message. If not, we would be glad to \
      receive it within the next seven days. Should anything about the invoice be unclear, a \
      short reply is enough.

      Kind regards,
      {sender}
      """;

  private static final String FIRM =
      """
      Dear {customer},

      Invoice {invoice} for {amount} ({service}) was due on {due}. It is still unpaid after \
      {reminders} reminders.

      Please pay the full amount within seven days. If something stands in the way of the \
      payment, tell us today so that we can settle it together.

      Kind regards,
      {sender}
      """;

  private static final Pattern GAP = Pattern.compile("\\{(\\w+)}");

  private Letter() {}

  /**
   * The facts go to a model and to the template as lines of text. The tags are the feature and the
   * tone alone: what calls cost is counted by tags and shown in a report, where no customer is to
   * be named.
   */
  static ChatRequest request(Invoice invoice) {
    Map<String, String> facts = facts(invoice);
    ChatRequest.Builder request =
        ChatRequest.builder().system(TASK).user(lines(facts)).maxTokens(400).temperature(0.4);
    tags(invoice).forEach(request::tag);
    return request.build();
  }

  static Map<String, String> tags(Invoice invoice) {
    return Map.of("feature", "payment-follow-up", "tone", tone(invoice));
  }

  static String fromTemplate(ChatRequest request) {
    List<Message> messages = request.messages();
    Map<String, String> facts = facts(messages.get(messages.size() - 1).content());
    String template = facts.get("tone").equals("firm") ? FIRM : POLITE;
    return GAP.matcher(template)
        .replaceAll(gap -> Matcher.quoteReplacement(facts.get(gap.group(1))));
  }

  private static Map<String, String> facts(Invoice invoice) {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("tone", tone(invoice));
    facts.put("customer", invoice.customer());
    facts.put("invoice", invoice.number());
    facts.put("service", invoice.service());
    facts.put("amount", invoice.money());
    facts.put("due", invoice.dueDate());
    facts.put("reminders", String.valueOf(invoice.reminders()));
    facts.put("sender", SENDER);
    return facts;
  }

  /** Each fact is on one line, because no value of an invoice has two. */
  private static Map<String, String> facts(String lines) {
    return lines
        .lines()
        .map(line -> line.split(": ", 2))
        .collect(Collectors.toMap(fact -> fact[0], fact -> fact[1]));
  }

  private static String tone(Invoice invoice) {
    return invoice.isFirm() ? "firm" : "polite";
  }

  private static String lines(Map<String, String> facts) {
    return facts.entrySet().stream()
        .map(fact -> fact.getKey() + ": " + fact.getValue())
        .collect(Collectors.joining("\n"));
  }
}
