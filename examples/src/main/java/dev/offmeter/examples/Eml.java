// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeUtility;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Date;

/** A draft as an RFC 5322 message, which any mail program opens. */
final class Eml extends MimeMessage {
  private static final String UTF_8 = StandardCharsets.UTF_8.name();

  private Eml(Draft draft, Instant now) throws MessagingException, IOException {
    super((Session) null);
    Invoice invoice = draft.invoice();
    setFrom(new InternetAddress("accounts@example.com", Letter.SENDER, UTF_8));
    setRecipient(
        Message.RecipientType.TO, new InternetAddress(invoice.email(), invoice.customer(), UTF_8));
    setSubject((draft.isIncomplete() ? "[INCOMPLETE] " : "") + invoice.subject(), UTF_8);
    setSentDate(Date.from(now));
    // Outlook then opens it for editing and sending.
    setHeader("X-Unsent", "1");
    setHeader("X-Drafted-By", encoded(draft.author()));
    if (draft.isIncomplete()) {
      setHeader("X-Draft-Incomplete", "yes");
    }
    setText(draft.answer().text().strip().replaceAll("\r\n?|\n", "\r\n") + "\r\n", UTF_8);
  }

  static byte[] of(Draft draft, Instant now) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      new Eml(draft, now).writeTo(bytes);
    } catch (MessagingException | IOException e) {
      throw new IllegalStateException("no message from " + draft.invoice(), e);
    }
    return bytes.toByteArray();
  }

  /** A model's name comes from a server, which must not be able to add headers. */
  private static String encoded(String value) throws IOException {
    return MimeUtility.encodeText(value.replaceAll("\\p{Cntrl}", " "), UTF_8, null);
  }

  /** None for a draft: it would tell the name of this machine. */
  @Override
  protected void updateMessageID() {}
}
