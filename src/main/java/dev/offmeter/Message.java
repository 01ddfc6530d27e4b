// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.ChatResponse.ToolCall;
import java.util.List;
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
  private final List<ToolCall> toolCalls;
  private final List<Image> images;

  private Message(Role role, String content, List<ToolCall> toolCalls) {
    this(role, content, toolCalls, List.of());
  }

  private Message(Role role, String content, List<ToolCall> toolCalls, List<Image> images) {
    this.role = role;
    this.content = Surrogates.mended(content);
    this.toolCalls = List.copyOf(toolCalls);
    this.images = List.copyOf(images);
  }

  /**
   * Returns a message.
   *
   * @param role who speaks
   * @param content what is said; not blank. A surrogate without its other half, as in a text that
   *     was cut within an emoji, becomes U+FFFD, so that every server reads the same
   * @throws IllegalArgumentException if {@code content} is blank, or {@code role} is {@link
   *     Role#TOOL}, whose messages answer a call: see {@link #toolResult}
   */
  public static Message of(Role role, String content) {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(content, "content");
    if (content.isBlank()) {
      throw new IllegalArgumentException("message content must not be blank, role " + role);
    }
    if (role == Role.TOOL) {
      throw new IllegalArgumentException("role must not be TOOL here: use toolResult(...)");
    }
    return new Message(role, content, List.of());
  }

  /** Returns a {@link Role#SYSTEM} message; see {@link #of}. */
  public static Message system(String content) {
    return of(Role.SYSTEM, content);
  }

  /** Returns a {@link Role#USER} message; see {@link #of}. */
  public static Message user(String content) {
    return of(Role.USER, content);
  }

  /**
   * Returns a {@link Role#USER} message with images. A request with one requires {@link
   * Capability#VISION}: an endpoint that is known to lack it is skipped.
   *
   * @param content what is said; not blank
   * @param images the images, in order; with none the message is that of {@link #user(String)}
   * @throws IllegalArgumentException if {@code content} is blank
   */
  public static Message user(String content, Image... images) {
    Objects.requireNonNull(images, "images");
    for (Image image : images) {
      Objects.requireNonNull(image, "image");
    }
    return new Message(Role.USER, user(content).content(), List.of(), List.of(images));
  }

  /** Returns an {@link Role#ASSISTANT} message; see {@link #of}. */
  public static Message assistant(String content) {
    return of(Role.ASSISTANT, content);
  }

  /** Returns the model's answer, the tool calls in it included, for the conversation to go on. */
  public static Message assistant(ChatResponse response) {
    return new Message(Role.ASSISTANT, response.text(), response.toolCalls());
  }

  /**
   * Returns an answer of a model that called tools, for history that was kept elsewhere.
   *
   * @param text what the model said; blank only if there is a tool call
   * @param toolCalls the tools that it called, in order; may be empty
   * @throws IllegalArgumentException if {@code text} is blank and there is no tool call
   */
  public static Message assistant(String text, List<ToolCall> toolCalls) {
    Objects.requireNonNull(text, "text");
    Objects.requireNonNull(toolCalls, "toolCalls");
    return toolCalls.isEmpty() ? assistant(text) : new Message(Role.ASSISTANT, text, toolCalls);
  }

  /**
   * Returns the result of a tool. It follows the answer that called the tool, {@link
   * #assistant(ChatResponse)}.
   *
   * @param call the call
   * @param result what the model is to read; may be empty
   */
  public static Message toolResult(ToolCall call, String result) {
    Objects.requireNonNull(call, "call");
    Objects.requireNonNull(result, "result");
    return new Message(Role.TOOL, result, List.of(call));
  }

  /**
   * Returns the result of a tool, for history that was kept elsewhere. It follows the answer that
   * called the tool, {@link #assistant(String, List)}.
   *
   * @param id the call's name in that history; empty if it had none: then the result belongs to the
   *     first call of the tool that has none yet
   * @param name the tool's name, which Gemini and Ollama want; not blank
   * @param result what the model is to read; may be empty
   * @throws IllegalArgumentException if {@code name} is blank
   */
  public static Message toolResult(String id, String name, String result) {
    Objects.requireNonNull(id, "id");
    Preconditions.notBlank("tool name", name);
    return toolResult(new ToolCall(id, name, "{}"), result);
  }

  /** Returns the role of the speaker. */
  public Role role() {
    return role;
  }

  /**
   * Returns the content, with U+FFFD for a surrogate without its other half; blank only where the
   * model calls a tool, or a tool returned nothing.
   */
  public String content() {
    return content;
  }

  /** Returns the calls in an answer of the model, or the one that a tool's result belongs to. */
  public List<ToolCall> toolCalls() {
    return toolCalls;
  }

  /** Returns the images in order; only a {@link Role#USER} message may have some. */
  public List<Image> images() {
    return images;
  }

  @Override
  public String toString() {
    String chars = "Message[" + role + ", " + content.length() + " chars";
    return images.isEmpty() ? chars + "]" : chars + ", " + images.size() + " images]";
  }
}
