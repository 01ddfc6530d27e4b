// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.Objects;

/**
 * One turn of a conversation. Immutable, so safe for use by many threads.
 *
 * <p>{@link #toString()} gives the role and the length, never the content: prompts do not belong in
 * logs.
 */
public final class Message {
  private final Role role;
  private final String content;

  private Message(Role role, String content) {
    this.role = role;
    this.content = content;
  }

  /**
   * A message.
   *
   * @param role who speaks
   * @param content what is said; not blank
   * @throws IllegalArgumentException if {@code content} is blank
   */
  public static Message of(Role role, String content) {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(content, "content");
    if (content.isBlank()) {
      throw new IllegalArgumentException("message content must not be blank, role " + role);
    }
    return new Message(role, content);
  }

  /** A {@link Role#SYSTEM} message; see {@link #of}. */
  public static Message system(String content) {
    return of(Role.SYSTEM, content);
  }

  /** A {@link Role#USER} message; see {@link #of}. */
  public static Message user(String content) {
    return of(Role.USER, content);
  }

  /** An {@link Role#ASSISTANT} message; see {@link #of}. */
  public static Message assistant(String content) {
    return of(Role.ASSISTANT, content);
  }

  /** Who speaks. */
  public Role role() {
    return role;
  }

  /** What is said. */
  public String content() {
    return content;
  }

  @Override
  public String toString() {
    return "Message[" + role + ", " + content.length() + " chars]";
  }
}
