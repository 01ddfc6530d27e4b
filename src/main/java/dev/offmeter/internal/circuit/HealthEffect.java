// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

/** The effect of a failure on its endpoint's health. */
public enum HealthEffect {
  /** It says nothing of the endpoint's health. */
  NONE,
  /** One of the failures that take the endpoint down when they come in a row. */
  COUNT_FAILURE,
  /** Evidence of absence: down at once. */
  OPEN,
  /** Left alone while its model is loaded in the background. */
  LOAD_MODEL,
  /** Left alone for as long as it asks. */
  COOL_DOWN,
  /** Left alone until a person has mended it. */
  OPEN_UNTIL_REPAIRED
}
