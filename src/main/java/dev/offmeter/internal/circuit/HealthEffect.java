// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

/** The effect of a failure on its endpoint's health. */
public enum HealthEffect {
  /** The failure says nothing about the endpoint's health. */
  NONE,
  /** Two such failures in a row take the endpoint DOWN. */
  COUNT_FAILURE,
  /** The failure alone is evidence of an outage: the endpoint goes DOWN at once. */
  OPEN,
  /** The endpoint is WARMING while its model is loaded in the background. */
  LOAD_MODEL,
  /** The endpoint is DOWN for as long as the server asks. */
  COOL_DOWN,
  /** The endpoint is DOWN, with growing back-offs, until an operator acts. */
  OPEN_UNTIL_REPAIRED
}
