import type { SourceVideo } from '../../tasks/request.ts';
import type { Json, ParameterRow } from '../http/body.ts';
import type { MaySend } from '../provider.ts';

/** A question about an operation, which makes nothing, whatever its verb. */
type OperationCall =
  | { readonly method: 'GET'; readonly path: string }
  | { readonly method: 'POST'; readonly path: string; readonly json: Json; readonly maySend: MaySend };

/** Where Google's two services for Veo differ: paths, parameters and how a result is named. Nothing here asks anybody. */
export interface VeoService {
  readonly parameters: readonly ParameterRow[];
  /** Parameters that every request carries. */
  readonly fixed: Readonly<Record<string, Json>>;
  /** Where a model takes requests, behind the base URL. */
  submitPath(model: string): string;
  /** How to ask about an operation of this name. */
  operationCall(name: string): OperationCall;
  /** Where the bytes of a result are, and whether the account's credentials may go there. */
  place(uri: string): { readonly url: string; readonly authorised: boolean };
  /** How a request names the finished video of an earlier task; undefined where it must bring the bytes. */
  sourceVideo(source: SourceVideo): Json | undefined;
  /** How long a result is kept from the submission on, milliseconds; undefined where nobody says. */
  readonly keptMs: number | undefined;
}
