// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

/** Whether calls go to an endpoint. */
public enum EndpointState {
  /** Calls go there. Also one that nobody has been to yet: see {@link EndpointStatus#asked()}. */
  UP,
  /**
   * Known to be down, cooling down, or set aside until a person acts: no call goes there. A health
   * check that finds it well, or the first call after its pause, puts it on {@link #TRIAL}.
   */
  DOWN,
  /**
   * The server is well and its model is being loaded, in the background: a call that another server
   * can answer goes to that. One that has only functions left, or nothing, waits for the load,
   * within its clocks; before a function with {@code answerWhileModelLoads} it does not.
   * Self-hosted servers only: Ollama, and OpenAI-compatible ones that were found to load a model.
   * Then it is {@link #UP}, or on {@link #TRIAL} if a trial had failed before; {@link #DOWN} if the
   * model cannot be loaded.
   */
  WARMING,
  /**
   * It seems to be back: the next call goes there, alone, and decides. It lasts until a call comes.
   */
  TRIAL
}
