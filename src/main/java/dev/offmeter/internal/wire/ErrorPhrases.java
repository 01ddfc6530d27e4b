// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.util.regex.Pattern;

/**
 * Holds the phrases by which servers report errors, in lower case, from their documentation, their
 * source and reports of what they sent: Ollama, llama-server, vLLM, TGI, LocalAI, LM Studio,
 * LiteLLM, OpenRouter, OpenAI, Azure, Groq, Mistral, Gemini, Anthropic, Cloudflare's Workers AI.
 * {@link ErrorClassifier} decides which outweighs which.
 */
final class ErrorPhrases {
  /** A content filter refused the request explicitly. */
  static final Pattern FILTERED =
      any(
          "content filter",
          "content[ _-]?policy",
          "content management policy",
          "usage polic",
          "usage guidelines",
          "(violat|flagg|block|reject|refus|require)\\w*[^.;]{0,60}\\bmoderation",
          "moderation[^.;]{0,40}\\b(violat|flagg|block|reject)",
          "(was|were|been) flagged",
          "safety (system|filter|polic|reason)",
          "(prohibited|sensitive)[ _](content|words)",
          "blocked by (the |our |a )?(content|safety|guardrail)",
          "responsible ai",
          "guardrail (polic|violation|intervened|blocked)",
          "violated guardrail",
          "data_inspection_failed",
          "inappropriate content",
          "content exists risk");

  /** The account has reached its limit, and waiting a minute will not help. */
  static final Pattern SPENT =
      any(
          "usage limit",
          "out of (\\w+ )?usage",
          "(hit|reached|exceeded) your (usage|session|weekly|monthly|daily|plan|spend\\w*|account) limit",
          "regain access",
          "credit (balance|limit)",
          "(insufficient|out of|not enough|requires more|exhausted|depleted) (\\w+ ){0,2}credits?\\b",
          "credits? (are|is|have been|has been) (exhausted|depleted|used up)",
          "(insufficient|not enough|low|negative) (\\w+ )?(balance|funds)",
          "balance is (too low|insufficient|negative)",
          "billing[ _]hard[ _]limit",
          "billing_not_active",
          "check your billing",
          "spend(ing)? (limit|cap)",
          "(exceeded|over)[ _-]?budget",
          "budget (has been )?exceeded",
          "budget_exceeded",
          "(weekly|monthly|daily) (usage|limit|quota|free|included)",
          "daily free allocation",
          "exceeded your monthly",
          "key limit exceeded",
          "payment required",
          "organi[sz]ation (has been|is) (restricted|disabled|suspended)",
          "organization_restricted",
          "account (is not active|has been (suspended|deactivated|disabled))",
          "account_deactivated");

  /**
   * The account has reached a quota, unless the server says when to retry: Google reports a limit
   * per minute in the same words.
   */
  static final Pattern QUOTA =
      any(
          "quota exceeded",
          "exceeded (your|the|its) (current |\\w+ )?quota",
          "out of quota",
          "insufficient[ _]quota",
          "quota (has been |is )?(reached|exhausted|used up)");

  /** A limit for a short time was reached. */
  static final Pattern SHORT_TERM =
      any(
          "rate[ _-]?limit",
          "per[ _-]?(minute|second|min\\b)",
          "per(minute|second)",
          "\\b[rt]pm\\b",
          "too many requests",
          "requests per");

  /** The server says when to retry. */
  static final Pattern DATED = any("(retry|try again) (in|after) ");

  /** The conversation is longer than the model's context. */
  static final Pattern OVERFLOW =
      any(
          "(exceed\\w*|(long|larg|great)er than|too (long|large) for|beyond|over(flow\\w*)?|maximum)"
              + "[^.;]{0,60}\\bcontext[ _]?(length|window|size|limit)",
          "context[ _]?(length|window|size|limit)[^.;]{0,40}\\b(exceeded|is too small|too small|reached)",
          "context_length_exceeded",
          "contextwindowexceeded",
          "n_keep[^;]{0,20}>= n_ctx",
          "prompt (is )?too big",
          "input is too large to process",
          "exceeds? (the )?(maximum|max|limit)[^.;]{0,40}\\btokens?\\b",
          "exceed_context_size",
          "\\bcontext (is )?(full|overflow\\w*)",
          "context shift is disabled",
          "when context the overflows",
          "maximum context",
          "prompt (is )?too long",
          "(input|prompt|request)( context)? (is )?too (long|large) (for|to)",
          "max_seq_len",
          "prompt length \\d+ (is|exceeds)",
          "input( context)? (is )?too long",
          "input token count",
          "number of input tokens",
          "input tokens exceed",
          "inputs` must have less than",
          "inputs` tokens \\+ `max_new_tokens",
          "maximum (model|prompt|input|sequence) length",
          "max_model_len",
          "maximum number of tokens",
          "too many (input |prompt )?tokens(?!, please wait)",
          "reduce the length of the (messages|prompt|input)",
          "(prompt|input|conversation) (has|contains) \\d+ tokens",
          "tokens to keep from the initial prompt");

  /** The server does not have the model that the endpoint names. */
  static final Pattern MODEL =
      any(
          "\\bmodels?\\b[^;,\\n]{0,90}?\\b(not found|does ?n[o']t exist|do not exist|not exist|"
              + "unloaded|is not loaded|is not installed|decommissioned|no longer (available|supported)|"
              + "has been (deprecated|removed|retired)|is not supported(?! (for|with|by your|in your)))",
          "not found[^;,\\n]{0,20}\\bmodel\\b",
          "(no such|unknown|unrecogni[sz]ed) model",
          "invalid model\\b(?! (output|response|input|reply))",
          "model (id|identifier|name) is (invalid|not valid)",
          "unable to access (the )?model",
          "repository not found",
          "not a valid model",
          "no models? (is |are )?(currently )?loaded",
          "model_not_(found|exist|supported)",
          "modelnotfound",
          "model not (loaded|exist)",
          "real model ?id",
          "no endpoints found for \\S",
          "deployment[^.;]{0,60}does not exist",
          "deploymentnotfound",
          "requested entity was not found");

  /** The server cannot parse what the model wrote, or the model did not end. */
  static final Pattern OUTPUT =
      any(
          "pars(e|ing) (of )?(the )?(model'?s? )?(tool|function)[ _-]?calls?",
          "(tool|function)[ _-]?call\\w* (pars|validat)\\w+",
          "(invalid|malformed|unexpected|unparsable|incomplete) (tool|function)[ _-]?call",
          "failed to call a function",
          "tool_use_failed",
          "xml syntax error",
          "(expected|pars\\w+) (element|xml)",
          "failed to parse (the )?(input at pos|(model )?output|generated|response)",
          "output_parse_failed",
          "could not be parsed",
          "json_validate_failed",
          "failed to (generate|validate) (a |the )?(valid )?(json|tool|function)",
          "(produced|generated|returned) (an? )?(output|text|response)[^.;]{0,10} (does|did) not match",
          "model (produced|generated|returned|output) (an? )?(invalid|malformed|unparsable|empty)",
          "invalid (model )?output",
          "model_error",
          "harmony",
          "invalid diff",
          "(tool|function) (\\S{1,60} )?(was )?(not found|does not exist|not in)\\b",
          "start token \\d+",
          "remaining in message header",
          "token repeat limit",
          "repetition (limit|detected)",
          "failed_generation");

  /** The request is at fault: its form, its template, or what it asks of the model. */
  static final Pattern REQUEST =
      any(
          // Templates.
          "jinja",
          "template",
          "while executing \\w*(expression|statement)",
          "at row \\d+, column \\d+",
          "raise_exception",
          "roles? must alternate",
          "system (message|role|prompt) (must|should|is not|not|cannot)",
          "conversation roles",
          "no user query",
          "(assistant|prefill)[^.;]{0,60}incompatible",
          "cannot have 2 or more assistant",
          "only (user|system)[^.;]{0,40}roles? ",
          "(unknown|unexpected|invalid|unsupported) role",
          "tool_call_id",
          "unpaired tool",
          "expected last role",
          "(tool_use|tool_calls?|tool_result)[^.;]{0,60}\\b(without|must be followed|must follow)",
          "cannot (use|specify)[^.;]{0,40}\\b(with|and) (tools|stream|grammar)",
          // Validation.
          "validation[ _]?(error|exception)",
          "bad (request|input)",
          "malformed (input|request|json|body|message)",
          "unprocessable",
          "jsondecodeerror",
          "at most \\d+ (image|audio|video|file|tool|stop)",
          "too many (image|tool|stop|function|message)s?\\b",
          "missing data required for image",
          "(unable|failed) to (decode|process|load|open) (the )?(input )?(image|audio|video|media)",
          "image: unknown format",
          "invalid[ _](request|value|type|parameter|argument|schema|json[ _]schema|format|grammar|"
              + "option|field|input|image|json|message|role|tool|function|response_format)",
          "(missing|required) (\\w+ ){0,2}(field|parameter|argument|property|'|`|\")",
          "missing ['\"`]",
          "field required",
          "must be (in |strictly |a |an |one of|of type|between|at least|at most|less|greater|positive|"
              + "non|set|provided|specified|>|<)",
          "extra (inputs|fields)",
          "un(known|recogni[sz]ed|expected|supported)[ _](request |keyword )?(param|argument|field|"
              + "name|key|option|property|value|type|input)",
          "not permitted",
          "failed to parse (messages|tools|grammar|request|the request|json|schema|body)",
          "cannot unmarshal",
          "json\\.exception\\.",
          "failed to deserialize",
          "initialize samplers",
          "json schema",
          "json_schema",
          "grammar",
          "array_above_max_length",
          "string_above_max_length",
          // Capabilities.
          "(does not|doesn't|do not|don't|cannot|can't|can not) (support|accept|handle|process)",
          "no endpoints found (that|matching|which|supporting|with)",
          "not[ _]supported_error",
          "notimplementederror",
          "requires? (\\w+ )?--?[a-z-]+",
          "(tool|function|image|vision|audio|video|file|think|reason|stream|json|schema|structured|"
              + "response_format|param|role|prefill|logprob|logit|sampling|grammar|feature|message|"
              + "chat|completion|embedding|content|option|stop|temperature|top_|penalty|seed|"
              + "tool_choice|modality|multimodal)\\w*[^.;]{0,60}\\b(is|are|be)? ?(not|un)[ -]?supported",
          "(not|un)supported[^.;]{0,20} (tool|function|image|audio|param|role|feature|content)",
          "not (a )?multimodal",
          "without vision");

  /** A machine, an engine or a proxy lacks something, whatever else is said. */
  static final Pattern SERVER =
      any(
          "out of memory",
          "insufficient (memory|resources|gpu|vram)",
          "system memory",
          "\\bvram\\b",
          "cuda|cublas|cudnn|\\bhip\\b|rocm|vulkan|\\bnccl\\b",
          "ggml_|\\bmetal\\b",
          "(failed|unable|could not|cannot) to (load|allocate|start|open|create|connect)"
              + "(?! (the )?(input )?(image|audio|video|media)| new sequence: failed to process inputs)",
          "(error|failed|failure) (loading|starting|allocating)",
          "model failed to load",
          "(unknown|unsupported) model architecture",
          "unexpectedly stopped",
          "(has|have|was|is) (terminated|exited|shut down|died|dead)",
          "\\bcrashed\\b",
          "no longer running",
          "exit (code|status)",
          "connection (refused|reset|closed|error)",
          "broken pipe|dial tcp|no route to host",
          "timed[ -]?out|timeout|deadline exceeded|context cancell?ed",
          "segmentation fault|core dumped|\\bpanic\\b",
          "kv (cache )?slot",
          "no space left|disk",
          "engine[ _]?(is )?dead|enginedead",
          "internal server error",
          "unexpected eof",
          "no (healthy|available) (upstream|server|backend|worker)",
          "your version of");

  /** The model's process died, though the server says that the request was at fault. */
  static final Pattern CRASHED =
      any(
          "\\bcrashed\\b",
          "out of memory",
          "failed to load(?! (the )?(input )?(image|audio|video|media))",
          "unexpectedly stopped",
          "no longer running",
          "has terminated",
          "enginedead");

  /** A key was rejected, where there is no status to say so. */
  static final Pattern KEY =
      any(
          "^\\W*(\\d{3}\\W*)?(unauthori[sz]ed|not authenticated|authentication (error|failed|required))\\b",
          "(invalid|incorrect|missing|expired|wrong|no) (api[ _-]?key|x-api-key|access token|bearer"
              + " token|auth token|credentials|username or password)",
          "api[ _-]?key (is |has |was )?(not valid|invalid|missing|expired|required|rejected|revoked)");

  /** A path, a route or a page does not exist. */
  static final Pattern PATH =
      any(
          "^\\W*(\\d{3})?\\W*((the )?(requested |request )?(file|page|path|route|endpoint|resource|url|uri)"
              + "( you requested)?( was)? )?not[ _]?found\\W*(error)?\\W*$",
          "\\b(path|route|routes|url|uri|resource|page|file|handler|method)s?\\b",
          "unexpected endpoint",
          "(get|post) /",
          "(^|[\\s\"'`(])/[a-z][\\w-]*(/|\\b)");

  /** A key, an account or a rule keeps this caller out. */
  static final Pattern DOOR =
      any(
          "\\b(api[ _-]?)?keys?\\b",
          "\\bauth|unauth",
          "log ?in\\b|sign(ed)?[ -]?in|credential|bearer|\\bjwt\\b",
          "permission|permitted|forbidden|denied|not allowed (to|for)|access",
          "account|subscri|\\bplan\\b|\\btier\\b|upgrade|licen[sc]e|billing",
          "organi[sz]ation|\\bproject\\b",
          "region|countr|territor|location",
          "disabled|banned|suspended|blocked|terms",
          "\\bip\\b|firewall|\\bwaf\\b|\\bcors\\b|\\borigin\\b|\\bhost\\b|csrf",
          "verif|\\badmin");

  private ErrorPhrases() {}

  private static Pattern any(String... words) {
    return Pattern.compile(String.join("|", words));
  }
}
