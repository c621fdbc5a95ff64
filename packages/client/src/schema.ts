// Made from the gateway's OpenAPI document by `npm run client`.

export interface Schemas {
    /** @description The catalogue lists what a model accepts, and the request is checked against it before the task is accepted. Unknown fields are refused; `null` is the same as leaving a field out. */
    readonly SubmitBody: {
        /**
         * @description A model id of the catalogue: `GET /v1/models`
         * @example onetake-preview
         */
        readonly model: string;
        /**
         * @description What the video shows
         * @example a paper boat on a rainy street
         */
        readonly prompt: string;
        /** @description What to avoid. Alias: `negativePrompt` */
        readonly negative_prompt?: string | null;
        /** @description Seconds, as a number or a numeric string. -1 lets the model decide, if it can; then the price of its longest video is held. Aliases: `durationSeconds`, `duration_seconds`, `seconds` */
        readonly duration?: number | string | null;
        readonly resolution?: ("360p" | "480p" | "720p" | "1080p" | "4k") | null;
        /** @description Aliases: `aspectRatio`, `ratio` */
        readonly aspect_ratio?: ("16:9" | "9:16" | "1:1" | "4:3" | "3:4" | "21:9") | null;
        /** @description `1280x720` or `1280*720`: an alternative to `resolution` and `aspect_ratio`; a contradiction is an error */
        readonly size?: string | null;
        /** @description First frame: URL, data URL, base64 or the id of a file of `POST /v1/files`. Aliases: `image_url`, `imageUrl`, `first_frame`, `firstFrame`, `input_reference`, `inputReference` */
        readonly image?: string | null;
        /** @description Last frame in the same forms, if the model accepts one. Aliases: `lastFrame`, `last_frame_image`, `lastFrameImage` */
        readonly last_frame?: string | null;
        /** @description Images, videos and sounds that guide the video, in the order in which the prompt names them. The catalogue lists the types, roles and limits of a model */
        readonly references?: readonly {
            /** @enum {string} */
            readonly type: "image" | "video" | "audio";
            /** @description What it is for: `source` is the video to edit, `first_clip` the one to continue. Without: a reference */
            readonly role?: string;
            /** @description A public URL */
            readonly url?: string;
            /** @description The bytes: data URL or base64 */
            readonly data?: string;
            /** @description The id of a file of `POST /v1/files`. Alias: `fileId` */
            readonly file_id?: string;
            /** @description The id of a finished task of yours, whose video it is. Alias: `videoId` */
            readonly video_id?: string;
        }[] | null;
        /** @description The short form of `references` for images without a role: URL, data URL, base64 or the id of a file. Alias: `referenceImages` */
        readonly reference_images?: readonly string[] | null;
        /** @description What becomes of an image that breaks the limits of the model: `error` (default) refuses the request; `cover` scales the image and cuts off its edges; `contain` scales it and adds black bars. The notes say what was done. Alias: `imageFit` */
        readonly image_fit?: ("error" | "cover" | "contain") | null;
        /** @description Source video: remix, extension. The id of a finished task of yours or a link to its video; some models also take any other URL, and those that edit videos the id of a file. Alias: `videoUrl` */
        readonly video_url?: string | null;
        /** @description Synchronised audio. Alias: `generateAudio` */
        readonly generate_audio?: boolean | null;
        /** @description The same seed and request give the same video, if the model supports it */
        readonly seed?: number | null;
        readonly style?: string | null;
        /** @description Alias: `cameraFixed` */
        readonly camera_fixed?: boolean | null;
        readonly watermark?: boolean | null;
        /** @description Alias: `promptExtend` */
        readonly prompt_extend?: boolean | null;
        /** @description Alias: `personGeneration` */
        readonly person_generation?: string | null;
        /** @description The most that the video may cost, in the currency of the model, as a number or a decimal string. If its price is higher, the answer is a 400 that says the price. Alias: `maxCost` */
        readonly max_cost?: number | string | null;
        /** @description Up to 16 string pairs, given back unchanged. They are your own notes and never reach a model: parameters are fields of the body */
        readonly metadata?: {
            readonly [key: string]: string;
        } | null;
        /** @description Where the end of the task is announced: a public URL. Signed with the project's secret (`GET /v1/webhook_secret`). Alias: `webhookUrl` */
        readonly webhook_url?: string | null;
        /** @description Raw upstream parameters, passed through to the model's provider only. One that would not reach it, or would contradict what the gateway sends itself, is a 400 that names it. Alias: `providerOptions` */
        readonly provider_options?: {
            readonly [key: string]: unknown;
        } | null;
    };
    readonly Submitted: {
        /**
         * @description `video_` and 32 hex digits, as the submit answered
         * @example video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f
         */
        readonly task_id: string;
        /** @enum {string} */
        readonly status: "queued";
        /** @enum {string} */
        readonly format: "mp4";
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly created_at: number;
        readonly model: string;
        /** @description What was rounded, redirected or fitted to what the upstream accepts */
        readonly notes?: readonly string[];
    };
    readonly Quote: {
        readonly model: string;
        readonly price: {
            /** @description The most that the video can cost: so much is held while it is made */
            readonly hold: number;
            readonly currency: string;
            /** @description Seconds that are charged at most */
            readonly seconds: number;
            readonly per_second: number;
            /** @description Once, with what its inputs cost */
            readonly per_video: number;
        };
        /** @description Whether every limit has enough left for it at the moment */
        readonly allowed: boolean;
        /** @description What limits of the key and its project have left; none if there are none */
        readonly limits: readonly {
            /** @enum {string} */
            readonly of: "project" | "key";
            /** @enum {string} */
            readonly limit: "tasks_in_flight" | "daily_budget" | "monthly_budget";
            readonly most: number;
            readonly left: number;
            /** @description Of a budget: when its UTC day or month ends */
            readonly resets_at?: number;
        }[];
        readonly notes?: readonly string[];
    };
    readonly Task: {
        /**
         * @description `video_` and 32 hex digits, as the submit answered
         * @example video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f
         */
        readonly task_id: string;
        /** @enum {string} */
        readonly status: "queued" | "in_progress" | "succeeded" | "failed";
        /**
         * @description A video in another container is remuxed without loss; if that is impossible, the task fails
         * @enum {string}
         */
        readonly format: "mp4";
        /**
         * Format: uri
         * @description The video, once succeeded. Absent for the Sora 2 family, which uses the download endpoint
         */
        readonly url?: string;
        readonly error?: {
            /** @description 400 refused upstream, 402 upstream quota exhausted, 408 upstream timed out, 410 its model has ended since, 429 upstream rate limit outlasted every retry, 499 cancelled, 500 ours, 502 upstream failed, 504 expired upstream */
            readonly code: number;
            readonly message: string;
            /** @description `result_lost`: the video was made, but could not be fetched completely; `result_unusable`: the upstream delivered no video that can be served as MP4 */
            readonly reason: string;
        };
        readonly model: string;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly created_at: number;
        /**
         * @description When the upstream began to work on the video, by its own account; if it does not tell, when the gateway learnt of it
         * @example 1795617056
         */
        readonly started_at?: number;
        /**
         * @description When the upstream was done, by its own account; if it does not tell, when the task ended here
         * @example 1795617056
         */
        readonly completed_at?: number;
        /**
         * @description When the video is deleted here
         * @example 1795617056
         */
        readonly expires_at?: number;
        readonly progress?: number;
        /** @description Seconds until the task is expected to be done */
        readonly eta?: number;
        /**
         * @description What the task waits for before it is submitted upstream, if known
         * @enum {string}
         */
        readonly waiting_for?: "account_limit" | "account_blocked" | "project_limit";
        /** @description The same in a sentence */
        readonly waiting_reason?: string;
        /**
         * @description When an account that is blocked is tried again
         * @example 1795617056
         */
        readonly retry_at?: number;
        /** @enum {boolean} */
        readonly cancel_requested?: true;
        /** @description Seconds: as measured in the file once succeeded, as requested until then. Absent until then if the model decides */
        readonly duration?: number;
        readonly resolution: string;
        readonly aspect_ratio: string;
        /** @description Width x height in pixels */
        readonly size: string;
        readonly bytes?: number;
        readonly video_codec?: string;
        readonly audio_codec?: string;
        /**
         * @description Whether the video has content credentials (C2PA), once succeeded. They are served as the provider made them, and their validity is not checked
         * @enum {string}
         */
        readonly content_credentials?: "present" | "absent";
        /**
         * Format: uri
         * @description The poster frame. It is made once the task has succeeded; a request for it waits until then
         */
        readonly thumbnail_url?: string;
        readonly usage?: {
            readonly seconds: number;
            readonly cost: number;
            readonly currency: string;
        };
        readonly metadata?: {
            readonly [key: string]: string;
        };
        /** @description The notes of the submit, and what happened to the video that its maker did not intend */
        readonly notes?: readonly string[];
    };
    readonly Model: {
        readonly id: string;
        /** @enum {string} */
        readonly object: "model";
        /** @description Unix seconds of the release */
        readonly created: number;
        readonly owned_by: string;
        readonly title: string;
        readonly family: string;
        readonly provider: string;
        readonly aliases: readonly string[];
        /** @description Whether this installation has an account for it */
        readonly available: boolean;
        /**
         * @description `url`: the answer for a finished task contains a link; `download`: use the download endpoint
         * @enum {string}
         */
        readonly delivery: "url" | "download";
        /** @description The services and regions of the provider that have or had the model; empty: all of them have it */
        readonly services: readonly {
            readonly id: string;
            readonly title: string;
            /** @description The first day without the model, in UTC */
            readonly until?: string;
            readonly reason?: string;
            /** @description Models to use instead */
            readonly successors?: readonly string[];
            readonly source?: string;
            readonly checked?: string;
        }[];
        readonly parameters: {
            readonly [key: string]: {
                /** @enum {string} */
                readonly type: "string" | "integer" | "boolean" | "image" | "images" | "references" | "url";
                readonly aliases: readonly string[];
                readonly allowed?: readonly (string | number | boolean)[];
                readonly minimum?: number;
                readonly maximum?: number;
                readonly max_length?: number;
                readonly max_items?: number;
                /** @description Kinds of references */
                readonly takes?: readonly {
                    /** @enum {string} */
                    readonly type: "image" | "video" | "audio";
                    readonly role?: string;
                    readonly max_items: number;
                    /** @description What is demanded of each, in words */
                    readonly limits?: string;
                }[];
                readonly default?: string | number | boolean;
                /** @description What the provider demands of an image; see `image_fit`. Without: no limits are known */
                readonly limits?: {
                    /**
                     * @description It must have exactly the size of the video
                     * @enum {string}
                     */
                    readonly size?: "video";
                    readonly min_side?: number;
                    /** @description Pixels */
                    readonly max_side?: number;
                    readonly min_ratio?: number;
                    /** @description Width divided by height */
                    readonly max_ratio?: number;
                    readonly max_bytes?: number;
                    readonly formats?: readonly ("jpeg" | "png" | "webp")[];
                    /**
                     * @description No pixel may be transparent
                     * @enum {boolean}
                     */
                    readonly transparency?: false;
                    /**
                     * @description Only by a public https URL, which the provider fetches
                     * @enum {string}
                     */
                    readonly by?: "url";
                    readonly source: string;
                    readonly checked: string;
                };
                /**
                 * @description This value lets the model decide; the longest duration is held
                 * @enum {number}
                 */
                readonly auto?: -1;
                /**
                 * @description `own`: a finished video of this gateway, named by its task id or link
                 * @enum {string}
                 */
                readonly of?: "any" | "own";
                /** @description Accepted values that the upstream does not support, and the values used instead */
                readonly rounds_to?: {
                    readonly [key: string]: string | number | boolean;
                };
            };
        };
        readonly sizes: readonly string[];
        /** @description Dependencies between parameters */
        readonly rules: readonly string[];
        readonly price: {
            readonly currency: string;
            readonly free: boolean;
            readonly billing: string;
            readonly rates: readonly {
                readonly service?: string;
                readonly resolution?: string;
                readonly size?: string;
                readonly generate_audio?: boolean;
                /** @description Whether a video is among the references */
                readonly with_video?: boolean;
                readonly per_second: number;
                readonly micros_per_second: number;
                /** @description Added once, whatever the duration */
                readonly micros_per_video?: number;
                /** @description Charged instead, for the tokens that the provider reports, up to what is held */
                readonly micros_per_token?: number;
            }[];
            /** @description Input images, first and last frames included, cost this much each, except for the first ones */
            readonly images?: {
                readonly free: number;
                readonly micros_each: number;
            };
            /** @description Seconds of reference videos cost as much as those of the result: at most so many, and at least this part of the duration of the result, rounded up */
            readonly videos?: {
                readonly most_seconds?: number;
                readonly least_of_result?: number;
            };
            readonly sources: readonly {
                readonly url: string;
                readonly checked: string;
            }[];
        };
        /** @description From the submission upstream to the end there, with the time in its queue: half of all jobs, and nine of ten, take at most this */
        readonly typical_seconds: {
            readonly median: number;
            readonly p90: number;
        };
        /**
         * @description Until when the upstream can cancel a task
         * @enum {string}
         */
        readonly cancel: "queued" | "running" | "none";
        readonly notes: readonly string[];
    };
    readonly ListQuery: {
        readonly limit?: number;
        /** @description A task id: the page begins after it (`next_cursor` of the previous page) */
        readonly after?: string;
        /** @enum {string} */
        readonly status?: "queued" | "in_progress" | "succeeded" | "failed";
        readonly model?: string;
    };
    readonly Project: {
        readonly id: string;
        readonly name: string;
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        };
        readonly default_metadata?: {
            readonly [key: string]: string;
        };
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly created_at: number;
        /**
         * @description Since then it takes no new tasks
         * @example 1795617056
         */
        readonly archived_at?: number;
        /** @description What it uses at the moment, whether that is limited or not */
        readonly use: {
            readonly tasks_in_flight: number;
            /** @description What the tasks that were accepted on this UTC day cost or may cost */
            readonly day: number;
            /** @description The same of this UTC month */
            readonly month: number;
            /** @description That of budgets */
            readonly currency: string;
        };
    };
    readonly NewProject: {
        /** @description What keys name it by */
        readonly id: string;
        readonly name?: string;
        /** @description What all of its keys may use together. Replaces all of the former ones */
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        } | null;
        /** @description Metadata of its tasks. What a task or its key says otherwise wins */
        readonly default_metadata?: {
            readonly [key: string]: string;
        } | null;
    };
    readonly ProjectChanges: {
        readonly name?: string;
        /** @description What all of its keys may use together. Replaces all of the former ones */
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        } | null;
        /** @description Metadata of its tasks. What a task or its key says otherwise wins */
        readonly default_metadata?: {
            readonly [key: string]: string;
        } | null;
        /** @description An archived project takes no new tasks and no new keys. What it has goes on, and can be read */
        readonly archived?: boolean;
    };
    readonly Key: {
        readonly id: string;
        readonly name: string;
        readonly project: string;
        readonly prefix: string;
        readonly scopes: readonly ("generate" | "read" | "admin" | "billing")[];
        /** @description Absent: all */
        readonly models?: readonly string[];
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        };
        readonly default_metadata?: {
            readonly [key: string]: string;
        };
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly created_at: number;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly expires_at?: number;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly revoked_at?: number;
        /** @description The key that it was rotated to */
        readonly replaced_by?: string;
    };
    readonly CreatedKey: {
        readonly id: string;
        readonly name: string;
        readonly project: string;
        readonly prefix: string;
        readonly scopes: readonly ("generate" | "read" | "admin" | "billing")[];
        /** @description Absent: all */
        readonly models?: readonly string[];
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        };
        readonly default_metadata?: {
            readonly [key: string]: string;
        };
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly created_at: number;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly expires_at?: number;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly revoked_at?: number;
        /** @description The key that it was rotated to */
        readonly replaced_by?: string;
        readonly key: string;
    };
    readonly RotatedKey: {
        readonly id: string;
        readonly name: string;
        readonly project: string;
        readonly prefix: string;
        readonly scopes: readonly ("generate" | "read" | "admin" | "billing")[];
        /** @description Absent: all */
        readonly models?: readonly string[];
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        };
        readonly default_metadata?: {
            readonly [key: string]: string;
        };
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly created_at: number;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly expires_at?: number;
        /**
         * @description Unix seconds
         * @example 1795617056
         */
        readonly revoked_at?: number;
        /** @description The key that it was rotated to */
        readonly replaced_by?: string;
        readonly key: string;
        readonly former: {
            readonly id: string;
            readonly name: string;
            readonly project: string;
            readonly prefix: string;
            readonly scopes: readonly ("generate" | "read" | "admin" | "billing")[];
            /** @description Absent: all */
            readonly models?: readonly string[];
            readonly limits?: {
                readonly requests_per_minute?: number | null;
                /** @description Unfinished tasks at a time */
                readonly tasks_in_flight?: number | null;
                /** @description What the tasks of a UTC day may cost, in units of the currency */
                readonly daily_budget?: number | null;
                /** @description What the tasks of a UTC month may cost, in units of the currency */
                readonly monthly_budget?: number | null;
            };
            readonly default_metadata?: {
                readonly [key: string]: string;
            };
            /**
             * @description Unix seconds
             * @example 1795617056
             */
            readonly created_at: number;
            /**
             * @description Unix seconds
             * @example 1795617056
             */
            readonly expires_at?: number;
            /**
             * @description Unix seconds
             * @example 1795617056
             */
            readonly revoked_at?: number;
            /** @description The key that it was rotated to */
            readonly replaced_by?: string;
        };
    };
    readonly NewKey: {
        readonly name: string;
        /** @description Tasks belong to a project and are invisible to others; default `default`. It is created if there is none */
        readonly project?: string;
        /** @description `generate` includes `read`; by default a key has `generate` */
        readonly scopes?: readonly ("generate" | "read" | "admin" | "billing")[];
        /** @description The models that it may use, by ids in which `*` stands for any characters; null: all */
        readonly models?: readonly string[] | null;
        /** @description Besides those of the project. Replaces all of the former ones */
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        } | null;
        /** @description Metadata of its tasks. What the task itself gives wins, and then what the key has over the project */
        readonly default_metadata?: {
            readonly [key: string]: string;
        } | null;
        /** @description Seconds */
        readonly expires_in?: number;
    };
    readonly KeyChanges: {
        readonly name?: string;
        /** @description `generate` includes `read`; by default a key has `generate` */
        readonly scopes?: readonly ("generate" | "read" | "admin" | "billing")[];
        /** @description The models that it may use, by ids in which `*` stands for any characters; null: all */
        readonly models?: readonly string[] | null;
        /** @description Besides those of the project. Replaces all of the former ones */
        readonly limits?: {
            readonly requests_per_minute?: number | null;
            /** @description Unfinished tasks at a time */
            readonly tasks_in_flight?: number | null;
            /** @description What the tasks of a UTC day may cost, in units of the currency */
            readonly daily_budget?: number | null;
            /** @description What the tasks of a UTC month may cost, in units of the currency */
            readonly monthly_budget?: number | null;
        } | null;
        /** @description Metadata of its tasks. What the task itself gives wins, and then what the key has over the project */
        readonly default_metadata?: {
            readonly [key: string]: string;
        } | null;
        /** @description Seconds from now; null: never */
        readonly expires_in?: number | null;
    };
    readonly AuditPage: {
        /** @enum {string} */
        readonly object: "list";
        readonly data: readonly {
            readonly id: string;
            /**
             * @description Unix seconds
             * @example 1795617056
             */
            readonly at: number;
            /** @description A key id, or `cli`, `bootstrap` or `first-start` */
            readonly actor: string;
            readonly action: string;
            /** @description The id of what was changed */
            readonly subject: string;
            /** @description What is new has its settings here, and what was changed pairs of before and after */
            readonly detail?: {
                readonly [key: string]: unknown;
            };
        }[];
        readonly has_more: boolean;
        readonly next_cursor?: string;
    };
    readonly AuditQuery: {
        readonly limit?: number;
        readonly after?: string;
        readonly actor?: string;
        readonly action?: string;
        readonly subject?: string;
        /** @description Unix seconds: what was done then or later */
        readonly from?: number;
        /** @description Unix seconds: what was done before */
        readonly to?: number;
    };
}
