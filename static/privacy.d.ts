// Types of what a site's front end exchanges with Flask-Mixamo-Privacy: its events and its JSON.
// `flask privacy types` prints this file with the purposes and services of the site instead of `string`.

/** The id of a purpose that the policy declares. */
export type PurposeId = string;

/** The id of a service that the policy declares. */
export type ServiceId = string;

/** A purpose that needs no consent is always granted. */
export type ConsentState = "unasked" | "granted" | "refused";

/** The answer of `GET /privacy/state.json`. It is never cached. */
export interface PrivacyState {
  purposes: Record<PurposeId, ConsentState>;
  services: Record<ServiceId, ConsentState>;
  /** The purposes that are granted now. */
  granted: PurposeId[];
  /** Whether the browser sends Global Privacy Control. */
  gpc: boolean;
}

/** Names and patterns with `*` of what a withdrawal removes, by the kind of storage. */
export interface RemovedStorage {
  cookies: string[];
  local: string[];
  session: string[];
  idb: string[];
  cache: string[];
  worker: string[];
}

/** The answer of `POST /privacy/consent` with `Accept: application/json`, and the detail of `privacy:change`. */
export interface PrivacyAnswer extends PrivacyState {
  /** "Your choice is saved.", in the visitor's language. */
  message: string;
  removed: RemovedStorage;
  /** The page to load next: after a withdrawal, or if the open page lacks what is now granted. */
  go?: string;
  /** The address of the tracker's script, if statistics are granted. */
  tracker?: string;
}

/** An error of the extension for a client that prefers JSON (RFC 9457). */
export interface PrivacyProblem {
  type: "about:blank";
  title: string;
  status: number;
  detail: string;
  /** The same as `detail`. */
  message: string;
  /** The page on which the visitor can consent. */
  consent_url?: string;
  /** The purpose that `@consent_required` demands. */
  purpose?: PurposeId;
  /** The fields of a form that was rejected. */
  fields?: string[];
}

/** The detail of `privacy:track`: the event's name, and properties of your own. */
export interface TrackedEvent {
  name: string;
  [property: string]: string | number | boolean | null;
}

declare global {
  interface DocumentEventMap {
    /** A visitor decided in the banner or its dialog. After `preventDefault()` the page stays, and the site updates itself. */
    "privacy:change": CustomEvent<PrivacyAnswer>;
    /** Dispatch it to record an event of your own. Without consent to statistics it does nothing. */
    "privacy:track": CustomEvent<TrackedEvent>;
  }
}
