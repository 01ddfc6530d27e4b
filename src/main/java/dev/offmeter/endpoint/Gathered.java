// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.wire.Ending;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Pieces;
import java.util.ArrayList;
import java.util.List;

/** Gathers the pieces of one answer and checks the whole. */
final class Gathered implements Pieces, Heard {
  /** A model's name goes into logs and metrics; a longer one is none. */
  private static final int LONGEST_MODEL = 200;

  /** A stream shows all its thinking anew after each. */
  private static final int MOST_WITHDRAWALS = 8;

  private final WholeText text = new WholeText();
  private final WholeText thinking = new WholeText();
  private final List<ToolCall> toolCalls = new ArrayList<>(0);
  private final Progress progress;
  private final OutputLimit limit;
  private long ofCalls;
  private int withdrawals;
  private boolean ended;
  private boolean callNotOffered;

  Gathered(Progress progress, int maxTokens) {
    this.progress = progress;
    this.limit = new OutputLimit(maxTokens);
  }

  @Override
  public void text(String piece) {
    progress.piece();
    limit.piece(piece.length());
    text.append(piece);
  }

  @Override
  public void thinking(String piece) {
    progress.piece();
    limit.thought(piece.length());
    thinking.append(piece);
  }

  @Override
  public void part() {
    progress.piece();
    limit.part();
  }

  @Override
  public void toolCall(ToolCall call) {
    progress.piece();
    toolCalls.add(call);
    ofCalls += call.arguments().length();
  }

  @Override
  public void onCallNotOffered() {
    callNotOffered = true;
  }

  @Override
  public void onTextEnded() {
    ended = true;
    progress.onTextEnded();
  }

  @Override
  public void textWasThinking() {
    thinking.append(text);
    text.clear();
    limit.piecesWereThoughts();
    withdrawals++;
  }

  @Override
  public CharSequence text() {
    return text;
  }

  @Override
  public CharSequence thinking() {
    return thinking;
  }

  @Override
  public int withdrawals() {
    return withdrawals;
  }

  /**
   * Checks an answer whose text has not ended.
   *
   * @throws Failure if the server goes on long after the request's limit
   */
  void checkLimit() throws Failure {
    if (!ended) {
      limit.check();
    }
  }

  /**
   * Checks an answer that has not ended.
   *
   * @throws Failure if it takes back again and again what it said
   */
  void checkWithdrawals() throws Failure {
    if (withdrawals > MOST_WITHDRAWALS) {
      throw Failure.of(
          FailureKind.MISSING_END_MARKER,
          "its <think> tags do not pair: what is answer is unclear");
    }
  }

  /** All that the model has written so far. */
  List<CharSequence> said() {
    List<CharSequence> said = new ArrayList<>(List.of(text, thinking));
    toolCalls.forEach(call -> said.add(call.arguments()));
    return said;
  }

  /** How many characters the answer has so far. */
  long length() {
    return ofCalls + text.length() + thinking.length();
  }

  boolean isEmpty() {
    return text.isEmpty() && thinking.isEmpty() && toolCalls.isEmpty();
  }

  Answer answer(ChatRequest request, Ending ending, int status) throws Failure {
    text.end();
    thinking.end();
    String whole = text.toString();
    boolean cut = ending.finishReason() == FinishReason.LENGTH;
    if (toolCalls.isEmpty() && Visible.nothingIn(whole)) {
      throw EmptyAnswer.of(request, ending, !Visible.nothingIn(thinking), callNotOffered);
    }
    int tokens = ending.usage().outputTokens();
    if (cut && !ending.atOwnLimit() && tokens > 0 && tokens < request.maxTokens()) {
      throw Failure.of(
          FailureKind.CONTEXT_OVERFLOW,
          "the context was full after " + tokens + " of " + request.maxTokens() + " tokens");
    }
    return new Answer(
        whole,
        thinking.toString(),
        shown(ending.model()),
        ending.usage(),
        toolCalls.isEmpty() || cut ? ending.finishReason() : FinishReason.TOOL_CALLS,
        List.copyOf(toolCalls),
        status);
  }

  /** The name that a server gives its model, empty if it is not fit for a line of log. */
  private static String shown(String model) {
    boolean fit =
        model.length() <= LONGEST_MODEL
            && model.codePoints().allMatch(c -> c == ' ' || Visible.is(c));
    return fit ? model : "";
  }
}
